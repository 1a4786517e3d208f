/* Check the operations of a program, so that none of them reads or writes out of bounds.
 *
 * Operations run from the first to the last, so one pass knows what each register holds. Codes
 * index tables: with each register of codes goes the highest code that it can hold. */

#ifndef FORESQL_CHECK_H
#define FORESQL_CHECK_H

#include "functions.h"
#include "operations.h"

enum { HOLDS_NOTHING = 0, HOLDS_NUMBERS, HOLDS_CODES };

typedef struct {
    int32_t holds, highest;
} Register;

typedef struct {
    Program *program;
    Register *registers;
} Checking;

static int64_t items(const Checking *checking, const Operation *op, int32_t table, int64_t size) {
    int64_t bytes = table_bytes(checking->program, op, table);
    return bytes % size ? -1 : bytes / size;
}

static int are_numbers(const Checking *checking, const Operation *op) {
    for (int32_t i = 0; i < op->ins; i++)
        if (checking->registers[op->in[i]].holds != HOLDS_NUMBERS) return 0;
    return op->ins > 0;
}

static int are_codes(const Checking *checking, const Operation *op) {
    for (int32_t i = 0; i < op->ins; i++)
        if (checking->registers[op->in[i]].holds != HOLDS_CODES) return 0;
    return op->ins > 0;
}

static int has_shape(const Operation *op, int32_t integers, int32_t tables) {
    return op->integers == integers && op->tables == tables;
}

static void write_numbers(Checking *checking, const Operation *op) {
    for (int32_t i = 0; i < op->outs; i++) checking->registers[op->out[i]].holds = HOLDS_NUMBERS;
}

static int write_codes(Checking *checking, const Operation *op, int64_t highest) {
    if (op->outs != 1 || highest < 0 || highest >= INT32_MAX) return 0;
    checking->registers[op->out[0]].holds = HOLDS_CODES;
    checking->registers[op->out[0]].highest = (int32_t)highest;
    return 1;
}

static int32_t highest_code(const Checking *checking, const Operation *op, int32_t index) {
    return checking->registers[op->in[index]].highest;
}

static int is_text_index(const Checking *checking, int32_t index) {
    return index >= 0 && index < checking->program->texts;
}

static int is_column(const Checking *checking, int32_t index) {
    return index >= 0 && index < checking->program->columns;
}

/* Texts before and after a value, and the column to quote it from; -1: a register, -2: no value. */
static int is_quote(const Checking *checking, const int32_t *integer) {
    int quotes = integer[2] == -1 || integer[2] == -2 || is_column(checking, integer[2]);
    return quotes && is_text_index(checking, integer[0]) && is_text_index(checking, integer[1]);
}

static int check_load(Checking *checking, const Operation *op) {
    if (op->ins || op->outs != 1 || !has_shape(op, 1, 0)) return 0;
    if (!is_column(checking, op->integer[0])) return 0;
    ColumnInfo *column = checking->program->column + op->integer[0];
    if (op->code == LOAD_NUMBER) {
        if (column->type == COLUMN_IS_TEXT || column->type == COLUMN_IS_TIME) return 0;
        column->read_as_number = 1;
        write_numbers(checking, op);
        return 1;
    }
    if (column->type == COLUMN_IS_NUMBER) return 0;
    return write_codes(checking, op, (int64_t)column->vocabulary.count + 1);
}

static int check_refusal(Checking *checking, const Operation *op) {
    if (op->outs) return 0;
    if (op->code == REFUSE_CODES) {
        int fits = op->ins == 1 || (op->ins == 2 && op->integers == 3 && op->integer[2] == -1 &&
                                    checking->registers[op->in[1]].holds == HOLDS_NUMBERS);
        if (!fits || !has_shape(op, 3, 1) || !is_quote(checking, op->integer)) return 0;
        if (op->ins == 1 && op->integer[2] == -1) return 0;
        return checking->registers[op->in[0]].holds == HOLDS_CODES &&
               items(checking, op, 0, 1) > highest_code(checking, op, 0);
    }
    if (!are_numbers(checking, op)) return 0;
    if (op->code == REFUSE_MISSING || op->code == REFUSE_INFINITE) {
        if (!has_shape(op, op->ins, 0)) return 0;
        for (int32_t i = 0; i < op->ins; i++)
            if (!is_text_index(checking, op->integer[i])) return 0;
        return 1;
    }
    if (op->integers % 3 || op->integers / 3 != op->ins || op->tables != 1) return 0;
    for (int32_t i = 0; i < op->integers; i += 3)
        if (!is_quote(checking, op->integer + i)) return 0;
    return items(checking, op, 0, sizeof(double)) == (op->code == REFUSE_LARGE ? 1 : 2);
}

/* Tables of code_by_code and match: codes in them are as high as what reads them allows. */
static int highest_of(const Checking *checking, const Operation *op, int32_t table, int64_t count,
                      int32_t *highest) {
    const int32_t *codes = (const int32_t *)table_of(checking->program, op, table);
    for (int64_t i = 0; i < count; i++) {
        if (codes[i] < 0) return 0;
        if (codes[i] > *highest) *highest = codes[i];
    }
    return 1;
}

static int check_code_by_code(Checking *checking, const Operation *op) {
    int32_t highest = 0;
    if (op->ins != 1 || op->outs != 1 || !are_codes(checking, op)) return 0;
    const int64_t codes = (int64_t)highest_code(checking, op, 0) + 1;
    switch (op->code) {
    case GATHER:
        if (!has_shape(op, 0, 1) || items(checking, op, 0, sizeof(double)) < codes) return 0;
        write_numbers(checking, op);
        return 1;
    case INDICATOR:
        if (!has_shape(op, 1, 0)) return 0;
        write_numbers(checking, op);
        return 1;
    case TRANSLATE:
        if (!has_shape(op, 0, 1) || items(checking, op, 0, sizeof(int32_t)) < codes) return 0;
        return highest_of(checking, op, 0, codes, &highest) && write_codes(checking, op, highest);
    default:
        if (!has_shape(op, 2, 0) || op->integer[1] < 0) return 0;
        highest = (int32_t)(codes - 1);
        if (op->integer[1] > highest) highest = op->integer[1];
        return write_codes(checking, op, highest);
    }
}

static int check_match(Checking *checking, const Operation *op) {
    if (op->ins != 1 || !are_numbers(checking, op) || !has_shape(op, 2, 2)) return 0;
    const int64_t count = items(checking, op, 0, sizeof(double));
    int32_t highest = op->integer[0] > op->integer[1] ? op->integer[0] : op->integer[1];
    if (count < 0 || items(checking, op, 1, sizeof(int32_t)) != count) return 0;
    if (op->integer[0] < 0 || op->integer[1] < 0) return 0;
    return highest_of(checking, op, 1, count, &highest) && write_codes(checking, op, highest);
}

static int check_lookup_row(Checking *checking, const Operation *op) {
    if (!are_codes(checking, op) || op->outs < 1) return 0;
    if (op->integers != op->ins || op->tables - 1 != op->ins) return 0;
    for (int32_t i = 0; i < op->ins; i++)
        if (op->integer[i] < 0 || items(checking, op, 1 + i, sizeof(int64_t)) < 0) return 0;
    const int64_t rows = items(checking, op, 0, (int64_t)sizeof(double) * op->outs);
    write_numbers(checking, op);
    return rows >= 1;
}

static int check_dot(Checking *checking, const Operation *op) {
    if (op->ins < 1 || op->outs < 1 || !has_shape(op, op->ins, 3)) return 0;
    const int64_t weights = items(checking, op, 0, sizeof(double));
    const uint8_t *is_code = (const uint8_t *)table_of(checking->program, op, 2);
    if (items(checking, op, 1, sizeof(double)) != op->outs) return 0;
    if (items(checking, op, 2, 1) != op->ins) return 0;
    for (int32_t i = 0; i < op->ins; i++) {
        const Register *in = checking->registers + op->in[i];
        int64_t rows = is_code[i] ? (int64_t)in->highest + 1 : 1;
        if (in->holds != (is_code[i] ? HOLDS_CODES : HOLDS_NUMBERS)) return 0;
        if (op->integer[i] < 0 || op->integer[i] > weights) return 0;
        if (rows > (weights - op->integer[i]) / op->outs) return 0;
    }
    write_numbers(checking, op);
    return 1;
}

/* Make the structs of the tables that are there; NULL stands for those that are not. */
static int make_forests(const Checking *checking, Operation *op) {
    const int32_t *numbers = op->integer + 3;
    const int has_blend = op->integer[1], has_walk = op->integer[2];
    const int tables = has_blend * BLEND_ARRAYS + has_walk * (WALK_ARRAYS + LINEAR_ARRAYS);
    Array arrays[BLEND_ARRAYS + WALK_ARRAYS + LINEAR_ARRAYS] = {{NULL, 0}};
    if (op->integers != 3 + has_blend * BLEND_NUMBERS + has_walk * WALK_NUMBERS) return 0;
    if (op->tables != 1 + tables) return 0;
    for (int32_t i = 0; i < tables; i++) {
        arrays[i].start = table_of(checking->program, op, 1 + i);
        arrays[i].bytes = table_bytes(checking->program, op, 1 + i);
    }
    if (has_blend) {
        op->blend = make_blend(numbers, arrays, op->ins, op->outs);
        numbers += BLEND_NUMBERS;
    }
    if (has_walk)
        op->walk = make_walk(numbers, arrays + has_blend * BLEND_ARRAYS, op->ins, op->outs);
    return (op->blend || !has_blend) && (op->walk || !has_walk);
}

static int check_forest(Checking *checking, Operation *op) {
    Program *program = checking->program;
    if (op->ins && !are_numbers(checking, op)) return 0;
    if (op->outs < 1 || op->integers < 3 || op->tables < 1) return 0;
    for (int i = 1; i < 3; i++)
        if (op->integer[i] != 0 && op->integer[i] != 1) return 0;
    if (op->integer[1] + op->integer[2] == 0) return 0;
    if (items(checking, op, 0, sizeof(double)) != op->outs) return 0;
    for (int32_t i = 1; i < op->outs; i++)
        if (op->out[i] != op->out[0] + i) return 0;
    if (!make_forests(checking, op)) return 0;
    const int64_t blend = op->blend ? foresql_scratch(op->blend) : 0;
    const int64_t walk = op->walk ? foresql_walk_scratch(op->walk, BLOCK_ROWS) : 0;
    const int64_t scratch = blend > walk ? blend : walk;
    if (scratch > program->forest_scratch) program->forest_scratch = scratch;
    if (op->ins > program->forest_inputs) program->forest_inputs = op->ins;
    write_numbers(checking, op);
    return 1;
}

/* What needs a table: the functions of float32.py 32 entries, those of fmath.py 2048. */
static int has_parts(const Checking *checking, const Operation *op, int is_float32, int is_fmath) {
    if (!is_float32 && !is_fmath) return op->tables == 0;
    return op->tables == 1 && items(checking, op, 0, 8) == (is_float32 ? 32 : 2048);
}

/* Operations from numbers to numbers. */
static int check_numbers(Checking *checking, const Operation *op) {
    const int64_t numbers = op->tables ? items(checking, op, 0, sizeof(double)) : 0;
    const int32_t integer = op->integers ? op->integer[0] : 0;
    const int a_pair = op->outs == op->ins;
    if (!are_numbers(checking, op) || op->outs < 1 || op->integers > 1 || integer < 0) return 0;
    write_numbers(checking, op);
    switch (op->code) {
    case NULL_IF:
    case CLIP: return a_pair && has_shape(op, 0, 1) && numbers == 2;
    case EXCEEDS: return a_pair && has_shape(op, 0, 1) && numbers == 1;
    case IMPUTE: return a_pair && has_shape(op, 0, 1) && numbers == op->outs;
    case IS_MISSING: return a_pair && has_shape(op, 0, 0);
    case COALESCE:
    case PRODUCT: return op->ins % 2 == 0 && op->ins / 2 == op->outs && has_shape(op, 0, 0);
    case ARITHMETIC:
        return a_pair && has_shape(op, 1, 1) && integer < OPERATORS && numbers == op->outs;
    case SUM: return op->ins % op->outs == 0 && has_shape(op, 0, 0);
    case NORMALIZE: return a_pair && has_shape(op, 1, 0) && integer < NORMS;
    case ARGMAX: return op->outs == 1 && has_shape(op, 0, 0);
    case ELEMENTWISE:
        return a_pair && op->integers == 1 && integer < FUNCTIONS &&
               has_parts(checking, op, integer == FLOAT32_EXP || integer == FLOAT32_SIGMOID,
                         integer == FMATH_EXP);
    case SOFTMAX:
        return a_pair && op->integers == 1 && integer < EXPONENTIALS &&
               has_parts(checking, op, integer == BY_FLOAT32, integer == BY_FMATH);
    case INTERPOLATE:
        return a_pair && op->outs == 1 && has_shape(op, 0, 2) && numbers > 0 &&
               items(checking, op, 1, sizeof(double)) == numbers;
    case FLOAT32_DOT:
        return has_shape(op, 0, 2) && items(checking, op, 1, sizeof(float)) == op->outs &&
               items(checking, op, 0, (int64_t)sizeof(float) * op->outs) == op->ins;
    default: return 0;
    }
}

/* No register is written while the operation still reads it, or twice. */
static int has_registers(const Checking *checking, const Operation *op) {
    const int32_t count = checking->program->registers;
    for (int32_t i = 0; i < op->ins; i++)
        if (op->in[i] < 0 || op->in[i] >= count ||
            checking->registers[op->in[i]].holds == HOLDS_NOTHING)
            return 0;
    for (int32_t i = 0; i < op->outs; i++) {
        if (op->out[i] < 0 || op->out[i] >= count) return 0;
        checking->registers[op->out[i]].holds = HOLDS_NOTHING;
    }
    for (int32_t i = 0; i < op->outs; i++) {
        if (checking->registers[op->out[i]].holds != HOLDS_NOTHING) return 0;
        checking->registers[op->out[i]].holds = HOLDS_NUMBERS;
    }
    for (int32_t i = 0; i < op->outs; i++) checking->registers[op->out[i]].holds = HOLDS_NOTHING;
    for (int32_t i = 0; i < op->ins; i++)
        if (checking->registers[op->in[i]].holds == HOLDS_NOTHING) return 0;
    for (int32_t i = 0; i < op->tables; i++)
        if (op->table[i] < 0 || op->table[i] >= checking->program->section_count) return 0;
    return 1;
}

static int check_operation(Checking *checking, Operation *op) {
    if (!has_registers(checking, op)) return 0;
    switch (op->code) {
    case LOAD_NUMBER:
    case LOAD_KEY: return check_load(checking, op);
    case REFUSE_MISSING:
    case REFUSE_INFINITE:
    case REFUSE_LARGE:
    case REFUSE_RANGE:
    case REFUSE_CODES: return check_refusal(checking, op);
    case REPLACE_CODE:
    case INDICATOR:
    case GATHER:
    case TRANSLATE: return check_code_by_code(checking, op);
    case MATCH: return check_match(checking, op);
    case LOOKUP_ROW: return check_lookup_row(checking, op);
    case DOT: return check_dot(checking, op);
    case FOREST: return check_forest(checking, op);
    default: return check_numbers(checking, op);
    }
}

#endif
