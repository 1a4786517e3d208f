/* Fuzz programs: any bytes are refused, or score rows of every kind without leaving their memory.
 *
 * A program that opens is run on odd rows on every instruction set, once with scratch memory full of
 * zeros and once of ones: answers that differ come from memory that was never written.
 */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/native/program.h"

int foresql_best(void);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

enum { MOST_ANSWERS = 1 << 12, MOST_COLUMNS = 1 << 10, MESSAGE = 300 };
static const int64_t ROWS[] = {0, 1, 2, 65, 513};
static const double DOUBLES[] = {0.0,  -0.0, 1.0,     -1.0,   0.5,  2.5,       255.0,    256.0, 1e308,
                                 -1e308, 5e-324, INFINITY, -INFINITY, NAN, 65536.0, 4294967296.0, 3.0};
static const int64_t INTEGERS[] = {0, 1, -1, 2, 3, 7, 255, 256, 65535, INT32_MAX, INT64_MAX, INT64_MIN};
static const char *const TEXTS[] = {"", "Bonn", "Kiel", "Ulm", "a text that is longer than twelve"};

#define COUNT(array) ((int64_t)(sizeof(array) / sizeof *(array)))

static void require(int holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void *filled(size_t size, int byte) {
    char *made = malloc(size ? size : 1);
    require(made != NULL, "no memory");
    memset(made, byte, size);
    return made;
}

/* ------------------------------------------------------------------------------------- columns */

static size_t width_of(int32_t kind) {
    switch (kind) {
    case COLUMN_INT8: case COLUMN_UINT8: case COLUMN_BOOL_BYTES: return 1;
    case COLUMN_INT16: case COLUMN_UINT16: return 2;
    case COLUMN_FLOAT: case COLUMN_INT32: case COLUMN_UINT32: return 4;
    default: return 8;
    }
}

static void fill_values(Column *column, int64_t rows, uint64_t *seed) {
    const size_t width = width_of(column->kind);
    char *values = filled((size_t)rows * width, 0);
    for (int64_t i = 0; i < rows; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        const double x = DOUBLES[(*seed >> 33) % COUNT(DOUBLES)];
        const float single = (float)x;
        int64_t integer = INTEGERS[(*seed >> 33) % COUNT(INTEGERS)];
        if (column->kind == COLUMN_BOOL_BYTES) integer &= 1;
        const void *from = column->kind == COLUMN_DOUBLE  ? (const void *)&x
                           : column->kind == COLUMN_FLOAT ? (const void *)&single
                                                          : (const void *)&integer;
        memcpy(values + (size_t)i * width, from, width);
    }
    column->values = values;
}

static void fill_texts(Column *column, int64_t rows, uint64_t *seed) {
    int32_t *offsets = filled((size_t)(rows + 1) * sizeof *offsets, 0);
    char *data = filled((size_t)rows * 40, 0);
    for (int64_t i = 0; i < rows; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        const char *text = TEXTS[(*seed >> 33) % COUNT(TEXTS)];
        memcpy(data + offsets[i], text, strlen(text));
        offsets[i + 1] = offsets[i] + (int32_t)strlen(text);
    }
    column->values = offsets;
    column->data = realloc(data, offsets[rows] ? (size_t)offsets[rows] : 1);
}

/* One of the kinds of memory that a column may come in. */
static int32_t kind_of(int32_t type, uint64_t seed) {
    static const int32_t numbers[] = {COLUMN_DOUBLE, COLUMN_DOUBLE, COLUMN_FLOAT,     COLUMN_INT8,
                                      COLUMN_INT64,  COLUMN_UINT16, COLUMN_BOOL_BYTES, COLUMN_ABSENT};
    static const int32_t integers[] = {COLUMN_INT64, COLUMN_INT32, COLUMN_UINT8, COLUMN_UINT64};
    switch (type) {
    case COLUMN_IS_NUMBER: return numbers[seed % COUNT(numbers)];
    case COLUMN_IS_INTEGER: return integers[seed % COUNT(integers)];
    case COLUMN_IS_BOOLEAN: return COLUMN_BOOL_BYTES;
    case COLUMN_IS_TEXT: return COLUMN_TEXT_INT32;
    default: return COLUMN_INT64;
    }
}

static Column *make_columns(const Program *program, int64_t rows, uint64_t seed) {
    const int32_t count = foresql_program_columns(program);
    Column *columns = filled((size_t)count * sizeof *columns, 0);
    for (int32_t i = 0; i < count; i++) {
        Column *column = columns + i;
        column->kind = kind_of(foresql_program_column_type(program, i), (seed >> 7) + (uint64_t)i);
        if (column->kind == COLUMN_ABSENT) continue;
        if (column->kind == COLUMN_TEXT_INT32) fill_texts(column, rows, &seed);
        else fill_values(column, rows, &seed);
        if (i % 2) column->validity = filled((size_t)(rows + 7) / 8, 0xB7);
    }
    return columns;
}

static void free_columns(Column *columns, int32_t count) {
    for (int32_t i = 0; i < count; i++) {
        free((void *)columns[i].values);
        free((void *)columns[i].data);
        free((void *)columns[i].validity);
    }
    free(columns);
}

/* ------------------------------------------------------------------------------------- running */

static void read_signature(const Program *program) {
    int64_t length;
    volatile char sink = 0;
    for (int32_t i = 0; i < foresql_program_columns(program); i++) {
        const char *name = foresql_program_column_name(program, i, &length);
        for (int64_t k = 0; k < length; k++) sink ^= name[k];
    }
    for (int32_t i = 0; i < foresql_program_classes(program); i++) {
        if (foresql_program_class_type(program) != CLASS_IS_TEXT) {
            (void)foresql_program_class_double(program, i);
            continue;
        }
        const char *label = foresql_program_class_text(program, i, &length);
        for (int64_t k = 0; k < length; k++) sink ^= label[k];
    }
    (void)sink;
}

typedef struct {
    int status;
    double *answers;
    char message[MESSAGE];
} Outcome;

static Outcome run(const Program *program, const Column *columns, int64_t rows, int64_t answers,
                   int variant, int byte) {
    Outcome made = {0, filled((size_t)(answers * rows) * sizeof(double), 0), ""};
    void *scratch = filled((size_t)foresql_program_scratch(program), byte);
    made.status = foresql_program_run(program, columns, rows, made.answers, rows, scratch, variant,
                                      made.message, MESSAGE);
    free(scratch);
    return made;
}

static int are_same(const Outcome *a, const Outcome *b, int64_t numbers) {
    if (a->status != b->status || strcmp(a->message, b->message)) return 0;
    for (int64_t i = 0; a->status == RUN_DONE && i < numbers; i++)
        if (memcmp(a->answers + i, b->answers + i, sizeof(double)) &&
            !(a->answers[i] != a->answers[i] && b->answers[i] != b->answers[i]))
            return 0;
    return 1;
}

static void run_all(const Program *program, int64_t rows, uint64_t seed) {
    int64_t answers = 0;
    for (int32_t group = 0; group < 3; group++) answers += foresql_program_answers(program, group);
    const int32_t count = foresql_program_columns(program);
    if (answers > MOST_ANSWERS || count > MOST_COLUMNS) return;
    Column *columns = make_columns(program, rows, seed);
    for (int variant = 0; variant <= foresql_best(); variant++) {
        Outcome zeros = run(program, columns, rows, answers, variant, 0);
        Outcome ones = run(program, columns, rows, answers, variant, 0xFF);
        require(are_same(&zeros, &ones, answers * rows), "unwritten memory is read");
        free(zeros.answers);
        free(ones.answers);
    }
    free_columns(columns, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char message[MESSAGE];
    Program *program;
    uint64_t seed = size;
    uint8_t *start = filled(size, 0); /* malloc aligns as callers promise, and ends where it ends */
    memcpy(start, data, size);
    for (size_t i = 0; i < size; i += 61) seed = seed * 31 + data[i];
    if (foresql_program_open(start, (int64_t)size, &program, message, MESSAGE) == 0) {
        read_signature(program);
        for (int64_t i = 0; i < COUNT(ROWS); i++) run_all(program, ROWS[i], seed + (uint64_t)i);
        foresql_program_close(program);
    } else require(program == NULL && memchr(message, 0, MESSAGE) != NULL, "a refusal without words");
    free(start);
    return 0;
}

/* Put an odd number over one that is there: bytes alone seldom make an index that is off by one. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    static const int64_t odd[] = {-1, 0, 1, 2, 3, 8, 64, 255, 256, 65535, INT32_MAX, INT32_MIN, INT64_MAX};
    if (seed % 4 == 0 || size < 16) return LLVMFuzzerMutate(data, size, most);
    const size_t width = seed % 4 == 1 ? 8 : seed % 4 == 2 ? 4 : 1;
    const size_t place = (seed / 7919u * 2654435761u) % (size / width) * width;
    int64_t value = 0;
    memcpy(&value, data + place, width);
    if (seed / 16 % 3 == 0) value = odd[seed / 64 % COUNT(odd)];
    else if (seed / 16 % 3 == 1) value = (int64_t)((uint64_t)value + (seed & 64 ? 1u : (uint64_t)-1));
    else memcpy(&value, data + (seed / 64u * 40503u) % (size / width) * width, width);
    memcpy(data + place, &value, width);
    return size;
}
