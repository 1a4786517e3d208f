/* Runs a model on a chunk: its vectors as columns, the program, its answers into a vector.
 *
 * DuckDB hands over flat vectors of at most duckdb_vector_size() rows. All memory is the thread's
 * own and is made once.
 */

#include "score.h"

#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "binding.h"
#include "convert.h"

#define ROW 1 /* the argument that is a row, or the first that is a column */
#define MOST_CONVERTED_BYTES 16

int foresql_best(void);

typedef struct {
    idx_t capacity; /* rows of a chunk, at most */
    int variant;
    Column *columns;
    void *scratch;
    double *answers;
    unsigned char *converted; /* for each column that is not read as it lies in memory */
    uint64_t *validity;       /* for each column of a row */
} Thread;

static void end_thread(void *memory)
{
    Thread *thread = memory;
    free(thread->columns);
    free(thread->scratch);
    free(thread->answers);
    free(thread->converted);
    free(thread->validity);
    free(thread);
}

static int32_t count_answers(const Program *program)
{
    return foresql_program_answers(program, ANSWER_PREDICTION) +
           foresql_program_answers(program, ANSWER_PROBABILITIES) +
           foresql_program_answers(program, ANSWER_MARGINS);
}

static int make_memory(Thread *thread, const Binding *binding)
{
    const Program *program = binding->model->program;
    size_t columns = (size_t)binding->columns, capacity = (size_t)duckdb.vector_size();
    size_t converted = 0, words = (capacity + 63) / 64;
    for (size_t i = 0; i < columns; i++)
        converted += binding->sources[i].logical != 0;
    thread->capacity = capacity;
    thread->variant = foresql_best();
    thread->columns = calloc(columns + 1, sizeof *thread->columns);
    thread->scratch = malloc((size_t)foresql_program_scratch(program) + 1);
    thread->answers = malloc(((size_t)count_answers(program) + 1) * capacity * sizeof(double));
    thread->converted = calloc(converted * capacity + 1, MOST_CONVERTED_BYTES);
    thread->validity = malloc(((binding->by_row ? columns * words : 0) + 1) * sizeof(uint64_t));
    return !thread->columns || !thread->scratch || !thread->answers || !thread->converted ||
           !thread->validity;
}

void start_thread(duckdb_init_info info)
{
    const Binding *binding = duckdb.scalar_function_init_get_bind_data(info);
    Thread *thread = calloc(1, sizeof *thread);
    if (thread != NULL && make_memory(thread, binding) == 0) {
        duckdb.scalar_function_init_set_state(info, thread, end_thread);
        return;
    }
    if (thread != NULL)
        end_thread(thread);
    duckdb.scalar_function_init_set_error(info, "There is no memory to run the model.");
}

/* Which rows are there at all; NULL: all of them. */
static const uint64_t *row_validity(duckdb_vector row, idx_t rows)
{
    const uint64_t *validity = duckdb.vector_get_validity(row);
    for (idx_t i = 0; validity != NULL && i < rows; i++)
        if (!(validity[i / 64] >> i % 64 & 1))
            return validity;
    return NULL;
}

/* A field of a row that is NULL is missing. */
static const uint64_t *both_valid(const uint64_t *rows, const uint64_t *values, idx_t count,
                                  uint64_t *both)
{
    if (rows == NULL)
        return values;
    if (values == NULL)
        return rows;
    for (idx_t i = 0; i < (count + 63) / 64; i++)
        both[i] = rows[i] & values[i];
    return both;
}

static int convert_column(const Binding *binding, int32_t index, const void *values,
                          const uint64_t *validity, idx_t rows, void *converted, Message *message)
{
    Message why;
    int64_t length;
    if (convert_values(&binding->sources[index], values, validity, rows, converted, &why) == 0)
        return 0;
    const char *name = foresql_program_column_name(binding->model->program, index, &length);
    return fail(message, "Column '%.*s' %.1500s.", length > 200 ? 200 : (int)length, name,
                why.text);
}

static int read_columns(const Binding *binding, Thread *thread, duckdb_data_chunk input, idx_t rows,
                        Message *message)
{
    duckdb_vector row = binding->by_row ? duckdb.data_chunk_get_vector(input, ROW) : NULL;
    const uint64_t *present = row ? row_validity(row, rows) : NULL;
    unsigned char *converted = thread->converted;
    idx_t words = (thread->capacity + 63) / 64;
    for (int32_t i = 0; i < binding->columns; i++) {
        const Source *source = &binding->sources[i];
        Column *column = &thread->columns[i];
        duckdb_vector vector = row ? duckdb.struct_vector_get_child(row, source->position)
                                   : duckdb.data_chunk_get_vector(input, ROW + source->position);
        const uint64_t *validity = both_valid(present, duckdb.vector_get_validity(vector), rows,
                                              thread->validity + (row ? (idx_t)i * words : 0));
        column->kind = source->kind;
        column->values = duckdb.vector_get_data(vector);
        column->validity = (const uint8_t *)validity;
        if (source->logical == 0)
            continue;
        if (convert_column(binding, i, column->values, validity, rows, converted, message))
            return 1;
        column->values = converted;
        converted += thread->capacity * MOST_CONVERTED_BYTES;
    }
    return 0;
}

static int run_chunk(const Binding *binding, Thread *thread, duckdb_data_chunk input, idx_t rows,
                     Message *message)
{
    if (rows > thread->capacity)
        return fail(message, "DuckDB gave more rows at once than it said.");
    return read_columns(binding, thread, input, rows, message) ||
           foresql_program_run(binding->model->program, thread->columns, (int64_t)rows,
                               thread->answers, (int64_t)thread->capacity, thread->scratch,
                               thread->variant, message->text, sizeof message->text) != RUN_DONE;
}

void score_chunk(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    const Binding *binding = duckdb.scalar_function_get_bind_data(info);
    Thread *thread = duckdb.scalar_function_get_state(info);
    idx_t rows = duckdb.data_chunk_get_size(input);
    Message message = {""}, whole;
    if (rows == 0)
        return;
    if (run_chunk(binding, thread, input, rows, &message) == 0 &&
        write_answers(binding, thread->answers, thread->capacity, rows, output, &message) == 0)
        return;
    fail(&whole, "ScoringError: %.1600s\n  Model: %.400s", message.text, binding->reference);
    duckdb.scalar_function_set_error(info, whole.text);
}
