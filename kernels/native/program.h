/* A model as a program: the C interface. All of it is final.
 *
 * A program is a whole model (signature, keys, steps, answers) as one flat little-endian binary
 * that Python makes (program.py; the format is described in program.c). It is run in blocks of
 * rows, straight from the columns of an engine.
 *
 * Compile program.c and the other .c files of this folder into the host, with contraction of
 * floating-point operations off (-ffp-contract=off). Nothing here has global state.
 */

#ifndef FORESQL_PROGRAM_H
#define FORESQL_PROGRAM_H

#include <stdint.h>

#if defined(_MSC_VER)
#define FORESQL_EXPORT __declspec(dllexport)
#else
#define FORESQL_EXPORT __attribute__((visibility("default")))
#endif

/* How the values of a column lie in memory. */
typedef enum {
    COLUMN_ABSENT = 0, /* not given: every row is missing */
    COLUMN_DOUBLE,
    COLUMN_FLOAT,
    COLUMN_INT8,
    COLUMN_INT16,
    COLUMN_INT32,
    COLUMN_INT64, /* timestamps too, in microseconds since 1970-01-01 */
    COLUMN_UINT8,
    COLUMN_UINT16,
    COLUMN_UINT32,
    COLUMN_UINT64,
    COLUMN_BOOL_BYTES,  /* DuckDB: a byte each */
    COLUMN_BOOL_BITS,   /* Arrow: a bit each, low bit first */
    COLUMN_TEXT_INT32,  /* Arrow: values are int32 offsets, data the bytes */
    COLUMN_TEXT_INT64,  /* Arrow: values are int64 offsets, data the bytes */
    COLUMN_TEXT_DUCKDB, /* duckdb_string_t, 16 bytes each */
    COLUMN_CODES        /* int64: positions among foresql_program_key_count keys; from Python;
                           data: double, the same rows as numbers, or NULL */
} ColumnKind;

typedef struct {
    int32_t kind;
    int32_t constant;        /* 1: the value at offset stands for all rows */
    const void *values;      /* may be NULL where there are no rows, or for COLUMN_ABSENT */
    const void *data;        /* the bytes of texts */
    const uint8_t *validity; /* a bit each, low bit first; NULL: no value is missing */
    int64_t offset;          /* position of the first row in values and in validity */
} Column;

/* What a column holds, and which kinds of memory it can be read from:
 * COLUMN_IS_NUMBER: all but texts. COLUMN_IS_INTEGER: integers of any width. COLUMN_IS_BOOLEAN:
 * BOOL_BYTES, BOOL_BITS. COLUMN_IS_TEXT: texts. COLUMN_IS_TIME: INT64, in microseconds.
 * COLUMN_ABSENT is always readable. A column of integers or booleans that no step reads by value
 * is COLUMN_IS_NUMBER. */
enum {
    COLUMN_IS_NUMBER = 0,
    COLUMN_IS_INTEGER,
    COLUMN_IS_BOOLEAN,
    COLUMN_IS_TEXT,
    COLUMN_IS_TIME
};

enum { ANSWER_PREDICTION = 0, ANSWER_PROBABILITIES, ANSWER_MARGINS };
enum { CLASS_IS_DOUBLE = 0, CLASS_IS_BIGINT, CLASS_IS_BOOLEAN, CLASS_IS_TEXT };

/* What foresql_program_run returns. */
enum { RUN_DONE = 0, RUN_REFUSED = 1, RUN_UNREADABLE = 2 };

typedef struct Program Program; /* immutable once open; threads may share it */

/* Check everything and make it ready. Returns 0; or 1, and fills message (at most message_size
 * bytes with the final 0, in words for a user). The program keeps pointers into bytes, which are
 * aligned to 8 bytes and outlive it. bytes may be hostile. */
FORESQL_EXPORT int foresql_program_open(const void *bytes, int64_t size, Program **program,
                                        char *message, int64_t message_size);
FORESQL_EXPORT void foresql_program_close(Program *program); /* NULL is allowed */

/* Bytes of scratch memory that a run needs, of any alignment; each thread has its own. */
FORESQL_EXPORT int64_t foresql_program_scratch(const Program *program);

/* The signature. Names are UTF-8 of the given length, without a final 0. */
FORESQL_EXPORT int32_t foresql_program_columns(const Program *program);
FORESQL_EXPORT const char *foresql_program_column_name(const Program *program, int32_t index,
                                                       int64_t *length);
FORESQL_EXPORT int32_t foresql_program_column_type(const Program *program, int32_t index);
/* The type in the signature, whatever steps read it as: 0 double, 1 bigint, 2 boolean, 3 varchar,
 * 4 timestamp. */
FORESQL_EXPORT int32_t foresql_program_signature_type(const Program *program, int32_t index);

/* How many columns a group of answers has (ANSWER_...). */
FORESQL_EXPORT int32_t foresql_program_answers(const Program *program, int32_t group);

/* The labels of a classifier, whose prediction is an index into them; 0 classes: a number. */
FORESQL_EXPORT int32_t foresql_program_classes(const Program *program);
FORESQL_EXPORT int32_t foresql_program_class_type(const Program *program); /* CLASS_IS_... */
FORESQL_EXPORT double foresql_program_class_double(const Program *program, int32_t index);
FORESQL_EXPORT int64_t foresql_program_class_integer(const Program *program, int32_t index);
FORESQL_EXPORT const char *foresql_program_class_text(const Program *program, int32_t index,
                                                      int64_t *length);

/* How many keys a column is told apart by, for COLUMN_CODES: the code of NULL is this count, and
 * that of every other value is one more. */
FORESQL_EXPORT int32_t foresql_program_key_count(const Program *program, int32_t index);

/* Score. columns are in the order of the signature; answers is double[predictions + probabilities
 * + margins][stride], with stride >= rows. variant is foresql_best() of forest.c, or lower.
 * Returns RUN_DONE; RUN_REFUSED where the library refuses a row; RUN_UNREADABLE where a column is
 * of a kind that it cannot be read from. Otherwise than RUN_DONE, message says why and answers
 * holds nothing of use. */
FORESQL_EXPORT int foresql_program_run(const Program *program, const Column *columns, int64_t rows,
                                       double *answers, int64_t stride, void *scratch, int variant,
                                       char *message, int64_t message_size);

/* The same with all arguments in one place, which is quicker to call from Python. */
typedef struct {
    const Program *program;
    const Column *columns;
    int64_t rows;
    double *answers;
    int64_t stride;
    void *scratch;
    char *message;
    int64_t message_size;
    int32_t variant;
} Call;
FORESQL_EXPORT int foresql_program_call(const Call *call);

#endif
