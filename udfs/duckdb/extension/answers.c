/* From a program's answers to the values of a SQL function. */

#include "answers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The position of a row's class. A program may be hostile, so it is checked. */
static int class_of(double prediction, int32_t classes, int32_t *position)
{
    if (!(prediction >= 0 && prediction < classes))
        return 0;
    *position = (int32_t)prediction;
    return 1;
}

static int no_class(Message *message)
{
    return fail(message, "The model gives a class that it does not have.");
}

static int write_numbers(const Binding *binding, const double *answers, idx_t rows, double *values,
                         Message *message)
{
    int32_t classes = foresql_program_classes(binding->model->program), position;
    if (classes == 0)
        memcpy(values, answers, rows * sizeof *values);
    for (idx_t i = 0; classes > 0 && i < rows; i++) {
        if (!class_of(answers[i], classes, &position))
            return no_class(message);
        values[i] = binding->labels[position];
    }
    return 0;
}

/* A label as text: its own, or how SQL writes an integer or a boolean. */
static const char *label_text(const Program *program, int32_t position, char written[24],
                              int64_t *length)
{
    if (foresql_program_class_type(program) == CLASS_IS_TEXT)
        return foresql_program_class_text(program, position, length);
    int64_t label = foresql_program_class_integer(program, position);
    if (foresql_program_class_type(program) == CLASS_IS_BOOLEAN)
        *length = snprintf(written, 24, "%s", label ? "true" : "false");
    else
        *length = snprintf(written, 24, "%" PRId64, label);
    return written;
}

static int write_labels(const Binding *binding, const double *answers, idx_t rows,
                        duckdb_vector output, Message *message)
{
    const Program *program = binding->model->program;
    int32_t classes = foresql_program_classes(program), position;
    for (idx_t i = 0; i < rows; i++) {
        char written[24];
        int64_t length;
        if (!class_of(answers[i], classes, &position))
            return no_class(message);
        const char *text = label_text(program, position, written, &length);
        duckdb.vector_assign_string_element_len(output, i, text, (idx_t)length);
    }
    return 0;
}

/* A list of as many numbers a row; answers are by column, lists are by row. */
static int write_lists(const double *answers, int32_t count, idx_t stride, idx_t rows,
                       duckdb_vector output, Message *message)
{
    idx_t width = (idx_t)count;
    duckdb_list_entry *entries = duckdb.vector_get_data(output);
    if (duckdb.list_vector_reserve(output, rows * width) != 0 ||
        duckdb.list_vector_set_size(output, rows * width) != 0)
        return fail(message, "There is no memory for the answers.");
    double *values = duckdb.vector_get_data(duckdb.list_vector_get_child(output));
    for (idx_t i = 0; i < rows; i++) {
        entries[i].offset = i * width;
        entries[i].length = width;
        for (idx_t j = 0; j < width; j++)
            values[i * width + j] = answers[j * stride + i];
    }
    return 0;
}

int write_answers(const Binding *binding, const double *answers, idx_t stride, idx_t rows,
                  duckdb_vector output, Message *message)
{
    const Program *program = binding->model->program;
    int32_t predictions = foresql_program_answers(program, ANSWER_PREDICTION);
    const double *probabilities = answers + (idx_t)predictions * stride;
    switch (binding->gives) {
    case GIVES_NUMBER:
        return write_numbers(binding, answers, rows, duckdb.vector_get_data(output), message);
    case GIVES_LABEL:
        return write_labels(binding, answers, rows, output, message);
    case GIVES_PROBABILITY:
        memcpy(duckdb.vector_get_data(output), probabilities + stride, rows * sizeof(double));
        return 0;
    case GIVES_NUMBERS:
        return write_lists(answers, predictions, stride, rows, output, message);
    case GIVES_PROBABILITIES:
        break;
    }
    return write_lists(probabilities, foresql_program_answers(program, ANSWER_PROBABILITIES),
                       stride, rows, output, message);
}
