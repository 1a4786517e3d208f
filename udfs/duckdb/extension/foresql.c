/* The DuckDB extension: a model's bundle scores in any client that loads this, without Python.
 *
 *   predict('delay@champion', t)            DOUBLE: regressions, and labels that are numbers
 *   predict_label('delay@champion', t)      VARCHAR: labels
 *   predict_proba('delay@champion', t)      DOUBLE: the positive class of two
 *   predict_all('delay@champion', t)        DOUBLE[]: a vector for each row
 *   predict_proba_all('delay@champion', t)  DOUBLE[]: each class
 *
 * The type of a function is fixed when it is made, and the model is only known when a query is
 * bound: hence five of them. Each has a second name, foresql_predict and so on, for databases in
 * which a macro took the first.
 */

#include <stdio.h>

#include "binding.h"
#include "score.h"

#ifdef _WIN32
#define ENTRY __declspec(dllexport)
#else
#define ENTRY __attribute__((visibility("default")))
#endif

DuckdbApi duckdb;

static const Function functions[] = {
    {"predict", GIVES_NUMBER},
    {"predict_label", GIVES_LABEL},
    {"predict_proba", GIVES_PROBABILITY},
    {"predict_all", GIVES_NUMBERS},
    {"predict_proba_all", GIVES_PROBABILITIES},
};

static duckdb_logical_type return_type(Gives gives)
{
    if (gives == GIVES_LABEL)
        return duckdb.create_logical_type(DUCKDB_VARCHAR);
    duckdb_logical_type number = duckdb.create_logical_type(DUCKDB_DOUBLE);
    if (gives != GIVES_NUMBERS && gives != GIVES_PROBABILITIES)
        return number;
    duckdb_logical_type list = duckdb.create_list_type(number);
    duckdb.destroy_logical_type(&number);
    return list;
}

static int register_function(duckdb_connection connection, Cache *cache, const Function *function,
                             const char *name, int takes_values)
{
    CallInfo *call = new_call_info(cache, function, takes_values);
    if (call == NULL)
        return 1;
    duckdb_scalar_function made = duckdb.create_scalar_function();
    duckdb_logical_type text = duckdb.create_logical_type(DUCKDB_VARCHAR);
    duckdb_logical_type any = duckdb.create_logical_type(DUCKDB_ANY);
    duckdb_logical_type returned = return_type(function->gives);
    duckdb.scalar_function_set_name(made, name);
    duckdb.scalar_function_add_parameter(made, text);
    duckdb.scalar_function_set_varargs(made, any);
    duckdb.scalar_function_set_return_type(made, returned);
    duckdb.scalar_function_set_special_handling(made); /* a missing value is not a NULL answer */
    duckdb.scalar_function_set_extra_info(made, call, free_call_info);
    duckdb.scalar_function_set_bind(made, bind_call);
    duckdb.scalar_function_set_init(made, start_thread);
    duckdb.scalar_function_set_function(made, score_chunk);
    int failed = duckdb.register_scalar_function(connection, made) != 0;
    duckdb.destroy_scalar_function(&made);
    duckdb.destroy_logical_type(&text);
    duckdb.destroy_logical_type(&any);
    duckdb.destroy_logical_type(&returned);
    return failed;
}

static int register_option(duckdb_connection connection)
{
    duckdb_config_option option = duckdb.create_config_option();
    duckdb_logical_type text = duckdb.create_logical_type(DUCKDB_VARCHAR);
    duckdb_value none = duckdb.create_varchar("");
    duckdb.config_option_set_name(option, REGISTRY_OPTION);
    duckdb.config_option_set_type(option, text);
    duckdb.config_option_set_default_value(option, none);
    duckdb.config_option_set_default_scope(option, DUCKDB_OPTION_IS_GLOBAL);
    duckdb.config_option_set_description(option, "The folder of the registry of foresql's models");
    int failed = duckdb.register_config_option(connection, option) != 0;
    duckdb.destroy_value(&none);
    duckdb.destroy_logical_type(&text);
    duckdb.destroy_config_option(&option);
    return failed;
}

static int register_all(duckdb_connection connection, Cache *cache)
{
    char second[64];
    int failed = register_option(connection);
    for (size_t i = 0; i < sizeof functions / sizeof *functions && !failed; i++) {
        snprintf(second, sizeof second, "foresql_%s", functions[i].name);
        failed = register_function(connection, cache, &functions[i], functions[i].name, 0) ||
                 register_function(connection, cache, &functions[i], second, 1); /* for macros */
    }
    return failed;
}

ENTRY bool foresql_init_c_api(duckdb_extension_info info, struct duckdb_extension_access *access);

ENTRY bool foresql_init_c_api(duckdb_extension_info info, struct duckdb_extension_access *access)
{
    duckdb_connection connection = NULL;
    const DuckdbApi *api = access->get_api(info, DUCKDB_API_VERSION);
    if (api == NULL)
        return false; /* DuckDB says why */
    duckdb = *api;
    duckdb_database *database = access->get_database(info);
    Cache *cache = new_cache();
    if (database == NULL || cache == NULL || duckdb.connect(*database, &connection) != 0) {
        access->set_error(info, "foresql cannot connect to the database.");
        return false;
    }
    int failed = register_all(connection, cache);
    duckdb.disconnect(&connection);
    release_cache(cache);
    if (failed)
        access->set_error(info, "foresql cannot add its functions to the database.");
    return !failed;
}
