/* Say why a row was refused, in the words of the step, which stand in the program. */

#ifndef FORESQL_MESSAGE_H
#define FORESQL_MESSAGE_H

#include <stdio.h>
#include <stdlib.h>

#include "steps.h"

enum { VALUE_BYTES = 96, SHOWN_BYTES = 78 };

/* The shortest decimal that gives the number back, as Python writes it. */
static void write_number(double x, char *out, size_t size) {
    int digits = 1;
    if (x != x || fabs(x) > DBL_MAX) {
        snprintf(out, size, "%s", x != x ? "nan" : x > 0 ? "inf" : "-inf");
        return;
    }
    for (; digits < 17; digits++) {
        snprintf(out, size, "%.*e", digits - 1, x);
        if (strtod(out, NULL) == x) break;
    }
    snprintf(out, size, "%.*e", digits - 1, x);
    const int exponent = atoi(strchr(out, 'e') + 1);
    if (exponent < -4 || exponent >= 16) return;
    const int decimals = digits - 1 - exponent;
    snprintf(out, size, "%.*f", decimals < 1 ? 1 : decimals, x);
}

static void write_value(const Block *run, int32_t index, int64_t row, char *out, size_t size) {
    const Column *column = run->columns + index;
    const int64_t position = column->offset + (column->constant ? 0 : run->start + row);
    const ColumnInfo *info = run->program->column + index;
    int64_t integer;
    if (column->kind == COLUMN_ABSENT || !is_valid(column, position)) snprintf(out, size, "NULL");
    else if (column->kind == COLUMN_CODES) {
        int32_t code = given_code(&info->vocabulary, ((const int64_t *)column->values)[position]);
        snprintf(out, size, code == info->vocabulary.count ? "NULL" : "a value");
    } else if (is_text(column->kind)) {
        Text text = text_at(column, position);
        int is_whole = text.length <= SHOWN_BYTES;
        int shown = is_whole ? (int)text.length : SHOWN_BYTES + 1;
        snprintf(out, size, "'%.*s%s", shown, text.bytes, is_whole ? "'" : "");
    } else if (is_boolean(column->kind) && integer_at(column, position, &integer))
        snprintf(out, size, integer ? "True" : "False");
    else if (is_integer(column->kind) && integer_at(column, position, &integer))
        snprintf(out, size, "%lld", (long long)integer);
    else {
        double x;
        copy_numbers(column, position, 1, &x);
        write_number(x, out, size);
    }
}

static void describe_refusal(const Block *run, const Operation *op, char *message, int64_t size) {
    char value[VALUE_BYTES] = "";
    Text before, after = {"", 0};
    if (!message || size < 1) return;
    if (op->code == REFUSE_MISSING || op->code == REFUSE_INFINITE)
        before = text_of(run->program, op->integer[run->input]);
    else {
        const int32_t *quote = op->integer + (op->code == REFUSE_CODES ? 0 : 3 * run->input);
        before = text_of(run->program, quote[0]);
        after = text_of(run->program, quote[1]);
        if (quote[2] >= 0) write_value(run, quote[2], run->row, value, sizeof value);
        else if (quote[2] == -1) {
            int32_t in = op->code == REFUSE_CODES ? 1 : run->input;
            write_number(input(run, op, in)[run->row], value, sizeof value);
        }
    }
    snprintf(message, (size_t)size, "%.*s%s%.*s", (int)before.length, before.bytes, value,
             (int)after.length, after.bytes);
}

#endif
