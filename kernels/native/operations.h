/* An open program: its sections, its columns, and its operations in the order in which they run. */

#ifndef FORESQL_OPERATIONS_H
#define FORESQL_OPERATIONS_H

#include "forests.h"
#include "program.h"
#include "vocabulary.h"

enum { BLOCK_ROWS = 512, LANE = 8, SCRATCH_ALIGNMENT = 64 };

/* Operation numbers in a program; program.py names them. In brackets: what it reads and writes
 * (n: registers of numbers, c: registers of codes), its integers, its tables. Integers named
 * "text" are indices of texts; "column" is one of the signature, to quote a value from. */
enum {
    LOAD_NUMBER = 0, /* -> n; column */
    LOAD_KEY,        /* -> c; column */
    REFUSE_MISSING,  /* n...; a text each */
    REFUSE_INFINITE, /* n...; a text each */
    REFUSE_LARGE,    /* n...; (text, text, column) each; [limit] */
    REFUSE_RANGE,    /* n...; (text, text, column) each; [low, high] */
    REFUSE_CODES,    /* c [n]; text, text, column; uint8 a code: 1 is refused */
    NULL_IF,         /* n... -> n...; ; [low, high] */
    IMPUTE,          /* n... -> n...; ; a fill each */
    REPLACE_CODE,    /* c -> c; from, to */
    IS_MISSING,      /* n... -> n... */
    INDICATOR,       /* c -> n; the code */
    COALESCE,        /* n n... -> n... */
    ARITHMETIC,      /* n... -> n...; operator; an operand each */
    CLIP,            /* n... -> n...; ; [low, high] */
    GATHER,          /* c -> n; ; a number a code */
    TRANSLATE,       /* c -> c; ; int32 a code */
    MATCH,           /* n -> c; code of no key, code of NaN; keys ascending, int32 code of each */
    LOOKUP_ROW,      /* c... -> n...; sizes; numbers of each known row and last the unknown one,
                        then for each input what is known so far, ascending int64 */
    DOT,             /* n or c... -> n...; where the weights of each input begin; weights, intercepts */
    FLOAT32_DOT,     /* n... -> n...; ; float weights, float intercepts */
    PRODUCT,         /* n n... -> n... */
    SUM,             /* n... -> n... */
    NORMALIZE,       /* n... -> n...; norm */
    FOREST,          /* n... -> n...; from how many rows to blend, whether it has tables to blend
                        and to walk, the structs' numbers; start, the structs' arrays */
    ELEMENTWISE,     /* n... -> n...; function; its table */
    INTERPOLATE,     /* n -> n; ; xs, ys */
    SOFTMAX,         /* n... -> n...; exponential; its table */
    ARGMAX,          /* n... -> n */
    EXCEEDS,         /* n -> n; ; [threshold] */
    OPERATIONS
};

enum { ADD = 0, SUBTRACT, SUBTRACT_FROM, MULTIPLY, DIVIDE, MODULO, OPERATORS };
enum { SUM_NORM = 0, SUM_UNLESS_ZERO, SUM_OR_MISSING, LARGEST, ABSOLUTE_SUM, EUCLIDEAN, NORMS };
enum { BY_EXP = 0, BY_FLOAT32, BY_FMATH, EXPONENTIALS };

typedef struct {
    int64_t offset, bytes;
} Section;

typedef struct {
    int32_t code, outs, ins, integers, tables;
    const int32_t *out, *in, *integer, *table;
    Forest *blend; /* or NULL */
    Walk *walk;    /* or NULL */
} Operation;

typedef struct {
    int32_t type, signature_type;
    int32_t read_as_number;
    Vocabulary vocabulary;
} ColumnInfo;

struct Program {
    const char *bytes;
    const Section *sections;
    int32_t section_count;
    int32_t registers, columns, classes, class_type, texts, operations;
    int32_t answers[3];
    const int32_t *answer; /* registers */
    const int64_t *text_offsets;
    const char *text_bytes;
    const void *class_values;
    ColumnInfo *column;
    Operation *operation;
    int64_t forest_scratch; /* bytes of the most demanding forest */
    int32_t forest_inputs;  /* of the widest */
};

static const void *table_of(const Program *program, const Operation *op, int32_t index) {
    return program->bytes + program->sections[op->table[index]].offset;
}

static int64_t table_bytes(const Program *program, const Operation *op, int32_t index) {
    return program->sections[op->table[index]].bytes;
}

static Text text_of(const Program *program, int32_t index) {
    const int64_t *offsets = program->text_offsets + index;
    Text text = {program->text_bytes + offsets[0], offsets[1] - offsets[0]};
    return text;
}

#endif
