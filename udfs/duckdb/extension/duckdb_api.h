/* What the extension uses of DuckDB's C extension API, version v1.5.6.
 *
 * DuckDB gives an extension a struct of function pointers whose order is fixed: functions are only
 * ever added at its end. Here are those that are called, each in its slot; the ones between are
 * skipped. DuckDB compares the version in the file's footer with its own before it loads the file,
 * so none of these slots is missing at run time. Names are DuckDB's, without the prefix.
 */

#ifndef FORESQL_DUCKDB_API_H
#define FORESQL_DUCKDB_API_H

#include <stdbool.h>
#include <stdint.h>

#define DUCKDB_API_VERSION "v1.5.6"

typedef uint64_t idx_t;
typedef int duckdb_state; /* 0 is success */
typedef int duckdb_type;

typedef struct duckdb_database_ *duckdb_database;
typedef struct duckdb_connection_ *duckdb_connection;
typedef struct duckdb_value_ *duckdb_value;
typedef struct duckdb_logical_type_ *duckdb_logical_type;
typedef struct duckdb_vector_ *duckdb_vector;
typedef struct duckdb_data_chunk_ *duckdb_data_chunk;
typedef struct duckdb_scalar_function_ *duckdb_scalar_function;
typedef struct duckdb_function_info_ *duckdb_function_info;
typedef struct duckdb_bind_info_ *duckdb_bind_info;
typedef struct duckdb_init_info_ *duckdb_init_info;
typedef struct duckdb_config_option_ *duckdb_config_option;
typedef struct duckdb_client_context_ *duckdb_client_context;
typedef struct duckdb_error_data_ *duckdb_error_data;
typedef struct duckdb_expression_ *duckdb_expression;
typedef struct duckdb_file_system_ *duckdb_file_system;
typedef struct duckdb_file_open_options_ *duckdb_file_open_options;
typedef struct duckdb_file_handle_ *duckdb_file_handle;
typedef struct duckdb_extension_info_ *duckdb_extension_info;

typedef void (*duckdb_delete_callback)(void *data);
typedef void *(*duckdb_copy_callback)(void *data);
typedef void (*duckdb_scalar_function_bind)(duckdb_bind_info info);
typedef void (*duckdb_scalar_function_init)(duckdb_init_info info);
typedef void (*duckdb_scalar_function_run)(duckdb_function_info info, duckdb_data_chunk input,
                                           duckdb_vector output);

/* Up to 12 bytes lie in the value itself; of longer texts the first four do. */
typedef struct {
    uint32_t length;
    char prefix[4];
    union {
        char rest[8];
        const char *pointer;
    } value;
} duckdb_string_t;

typedef struct {
    uint64_t lower;
    int64_t upper;
} duckdb_hugeint;

typedef struct {
    uint64_t offset;
    uint64_t length;
} duckdb_list_entry;

enum {
    DUCKDB_UNKNOWN = 0,
    DUCKDB_BOOLEAN = 1,
    DUCKDB_TINYINT = 2,
    DUCKDB_SMALLINT = 3,
    DUCKDB_INTEGER = 4,
    DUCKDB_BIGINT = 5,
    DUCKDB_UTINYINT = 6,
    DUCKDB_USMALLINT = 7,
    DUCKDB_UINTEGER = 8,
    DUCKDB_UBIGINT = 9,
    DUCKDB_FLOAT = 10,
    DUCKDB_DOUBLE = 11,
    DUCKDB_TIMESTAMP = 12,
    DUCKDB_DATE = 13,
    DUCKDB_TIME = 14,
    DUCKDB_INTERVAL = 15,
    DUCKDB_HUGEINT = 16,
    DUCKDB_VARCHAR = 17,
    DUCKDB_BLOB = 18,
    DUCKDB_DECIMAL = 19,
    DUCKDB_TIMESTAMP_S = 20,
    DUCKDB_TIMESTAMP_MS = 21,
    DUCKDB_TIMESTAMP_NS = 22,
    DUCKDB_ENUM = 23,
    DUCKDB_LIST = 24,
    DUCKDB_STRUCT = 25,
    DUCKDB_MAP = 26,
    DUCKDB_UUID = 27,
    DUCKDB_TIMESTAMP_TZ = 31,
    DUCKDB_UHUGEINT = 32,
    DUCKDB_ARRAY = 33,
    DUCKDB_ANY = 34,
    DUCKDB_SQLNULL = 36,
};
enum { DUCKDB_OPTION_IS_GLOBAL = 3 };
enum { DUCKDB_FILE_READ = 1 };

struct duckdb_extension_access {
    void (*set_error)(duckdb_extension_info info, const char *message);
    duckdb_database *(*get_database)(duckdb_extension_info info);
    const void *(*get_api)(duckdb_extension_info info, const char *version);
};

typedef struct {
    const void *skipped_0[3];
    duckdb_state (*connect)(duckdb_database database, duckdb_connection *connection);
    const void *skipped_4[2];
    void (*disconnect)(duckdb_connection *connection);
    const void *skipped_7[18];
    void (*free)(void *memory);
    idx_t (*vector_size)(void);
    const void *skipped_27[65];
    void (*destroy_value)(duckdb_value *value);
    duckdb_value (*create_varchar)(const char *text);
    const void *skipped_94[48];
    char *(*get_varchar)(duckdb_value value);
    const void *skipped_143[6];
    bool (*is_null_value)(duckdb_value value);
    const void *skipped_150[6];
    duckdb_logical_type (*create_logical_type)(duckdb_type type);
    const void *skipped_157[2];
    duckdb_logical_type (*create_list_type)(duckdb_logical_type child);
    const void *skipped_160[6];
    duckdb_type (*get_type_id)(duckdb_logical_type type);
    const void *skipped_167[1];
    uint8_t (*decimal_scale)(duckdb_logical_type type);
    duckdb_type (*decimal_internal_type)(duckdb_logical_type type);
    duckdb_type (*enum_internal_type)(duckdb_logical_type type);
    uint32_t (*enum_dictionary_size)(duckdb_logical_type type);
    char *(*enum_dictionary_value)(duckdb_logical_type type, idx_t index);
    const void *skipped_173[5];
    idx_t (*struct_type_child_count)(duckdb_logical_type type);
    char *(*struct_type_child_name)(duckdb_logical_type type, idx_t index);
    duckdb_logical_type (*struct_type_child_type)(duckdb_logical_type type, idx_t index);
    const void *skipped_181[3];
    void (*destroy_logical_type)(duckdb_logical_type *type);
    const void *skipped_185[5];
    duckdb_vector (*data_chunk_get_vector)(duckdb_data_chunk chunk, idx_t index);
    idx_t (*data_chunk_get_size)(duckdb_data_chunk chunk);
    const void *skipped_192[2];
    void *(*vector_get_data)(duckdb_vector vector);
    uint64_t *(*vector_get_validity)(duckdb_vector vector);
    const void *skipped_196[2];
    void (*vector_assign_string_element_len)(
        duckdb_vector vector, idx_t index, const char *text, idx_t length);
    duckdb_vector (*list_vector_get_child)(duckdb_vector vector);
    const void *skipped_200[1];
    duckdb_state (*list_vector_set_size)(duckdb_vector vector, idx_t size);
    duckdb_state (*list_vector_reserve)(duckdb_vector vector, idx_t capacity);
    duckdb_vector (*struct_vector_get_child)(duckdb_vector vector, idx_t index);
    const void *skipped_204[5];
    duckdb_scalar_function (*create_scalar_function)(void);
    void (*destroy_scalar_function)(duckdb_scalar_function *function);
    void (*scalar_function_set_name)(duckdb_scalar_function function, const char *name);
    void (*scalar_function_set_varargs)(
        duckdb_scalar_function function, duckdb_logical_type type);
    void (*scalar_function_set_special_handling)(duckdb_scalar_function function);
    const void *skipped_214[1];
    void (*scalar_function_add_parameter)(
        duckdb_scalar_function function, duckdb_logical_type type);
    void (*scalar_function_set_return_type)(
        duckdb_scalar_function function, duckdb_logical_type type);
    void (*scalar_function_set_extra_info)(
        duckdb_scalar_function function, void *extra, duckdb_delete_callback destroy);
    void (*scalar_function_set_function)(
        duckdb_scalar_function function, duckdb_scalar_function_run run);
    duckdb_state (*register_scalar_function)(
        duckdb_connection connection, duckdb_scalar_function function);
    const void *skipped_220[1];
    void (*scalar_function_set_error)(duckdb_function_info info, const char *message);
    const void *skipped_222[201];
    duckdb_config_option (*create_config_option)(void);
    void (*destroy_config_option)(duckdb_config_option *option);
    void (*config_option_set_name)(duckdb_config_option option, const char *name);
    void (*config_option_set_type)(duckdb_config_option option, duckdb_logical_type type);
    void (*config_option_set_default_value)(duckdb_config_option option, duckdb_value value);
    void (*config_option_set_default_scope)(duckdb_config_option option, int scope);
    void (*config_option_set_description)(duckdb_config_option option, const char *description);
    duckdb_state (*register_config_option)(
        duckdb_connection connection, duckdb_config_option option);
    duckdb_value (*client_context_get_config_option)(
        duckdb_client_context context, const char *name, int *scope);
    const void *skipped_432[37];
    void (*destroy_error_data)(duckdb_error_data *error);
    const void *skipped_470[1];
    const char *(*error_data_message)(duckdb_error_data error);
    bool (*error_data_has_error)(duckdb_error_data error);
    void (*destroy_expression)(duckdb_expression *expression);
    duckdb_logical_type (*expression_return_type)(duckdb_expression expression);
    bool (*expression_is_foldable)(duckdb_expression expression);
    duckdb_error_data (*expression_fold)(
        duckdb_client_context context, duckdb_expression expression, duckdb_value *value);
    duckdb_file_system (*client_context_get_file_system)(duckdb_client_context context);
    void (*destroy_file_system)(duckdb_file_system *files);
    duckdb_state (*file_system_open)(
        duckdb_file_system files, const char *path, duckdb_file_open_options options, duckdb_file_handle *file);
    duckdb_error_data (*file_system_error_data)(duckdb_file_system files);
    duckdb_file_open_options (*create_file_open_options)(void);
    duckdb_state (*file_open_options_set_flag)(
        duckdb_file_open_options options, int flag, bool value);
    void (*destroy_file_open_options)(duckdb_file_open_options *options);
    void (*destroy_file_handle)(duckdb_file_handle *file);
    const void *skipped_485[2];
    int64_t (*file_handle_read)(duckdb_file_handle file, void *buffer, int64_t size);
    const void *skipped_488[1];
    duckdb_state (*file_handle_seek)(duckdb_file_handle file, int64_t position);
    const void *skipped_490[2];
    int64_t (*file_handle_size)(duckdb_file_handle file);
    const void *skipped_493[8];
    void (*destroy_client_context)(duckdb_client_context *context);
    const void *skipped_502[9];
    void (*scalar_function_set_bind)(
        duckdb_scalar_function function, duckdb_scalar_function_bind bind);
    void (*scalar_function_bind_set_error)(duckdb_bind_info info, const char *message);
    void (*scalar_function_get_client_context)(
        duckdb_bind_info info, duckdb_client_context *context);
    void (*scalar_function_set_bind_data)(
        duckdb_bind_info info, void *data, duckdb_delete_callback destroy);
    void *(*scalar_function_get_bind_data)(duckdb_function_info info);
    void *(*scalar_function_bind_get_extra_info)(duckdb_bind_info info);
    idx_t (*scalar_function_bind_get_argument_count)(duckdb_bind_info info);
    duckdb_expression (*scalar_function_bind_get_argument)(duckdb_bind_info info, idx_t index);
    void (*scalar_function_set_bind_data_copy)(
        duckdb_bind_info info, duckdb_copy_callback copy);
    void *(*scalar_function_get_state)(duckdb_function_info info);
    void (*scalar_function_set_init)(
        duckdb_scalar_function function, duckdb_scalar_function_init init);
    void (*scalar_function_init_set_error)(duckdb_init_info info, const char *message);
    void (*scalar_function_init_set_state)(
        duckdb_init_info info, void *state, duckdb_delete_callback destroy);
    const void *skipped_524[1];
    void *(*scalar_function_init_get_bind_data)(duckdb_init_info info);
} DuckdbApi;

extern DuckdbApi duckdb; /* foresql.c fills it when the extension is loaded */

#endif
