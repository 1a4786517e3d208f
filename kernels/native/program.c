/* A model as a program: opened and checked once, then run in blocks of rows.
 *
 * The format. All numbers are little-endian.
 *
 *   8 bytes    "foresql\n"
 *   int32[16]  format version, sections, registers, columns, predictions, probabilities, margins,
 *              type of the classes, classes, texts, and zeros
 *   int64[2]   of each section: where it begins (a multiple of 64) and its bytes
 *   sections   0: the operations, int32. 1: int32[4] of each column: COLUMN_IS_..., type in the
 *              signature, section of its keys or -1, section of the keys' texts or -1.
 *              2: int32, the registers of the answers. 3: int64[texts + 1], where texts begin in
 *              4: the texts, UTF-8: column names, then labels, then messages.
 *              5: labels, 8 bytes each (double, int64, or the index of a text).
 *              All others are tables that operations, columns and forests name by index. Keys are
 *              int64 each; those of texts are int64[keys + 1] offsets into the other section.
 *
 * An operation is int32: its number, how many outputs, inputs, integers and tables, and these. A
 * register is a block of 512 doubles, or of as many codes (int32). It is written again once nothing
 * reads it any more, so the registers of most models stay in the first-level cache.
 */

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#include "check.h"
#include "message.h"
#include "steps.h"

enum { FORMAT_VERSION = 1 };
enum { MAGIC_BYTES = 8, HEADER_NUMBERS = 16 };
enum { OF_OPERATIONS = 0, OF_COLUMNS, OF_ANSWERS, OF_TEXT_OFFSETS, OF_TEXTS, OF_CLASSES, FIXED };
enum { MOST = 1 << 24 }; /* registers, columns, texts: beyond all models, and far from overflow */

/* ----------------------------------------------------------------------------------------- opening */

static int fail(char *message, int64_t size, const char *why) {
    if (message && size > 0)
        snprintf(message, (size_t)size,
                 "The model's program cannot be run: %s. Publish the model again.", why);
    return 1;
}

static int64_t section_items(const Program *program, int32_t index, int64_t size) {
    int64_t bytes = program->sections[index].bytes;
    return bytes % size ? -1 : bytes / size;
}

static const void *section(const Program *program, int32_t index) {
    return program->bytes + program->sections[index].offset;
}

static const char *read_header(Program *program, int64_t size) {
    const int32_t *header = (const int32_t *)(const void *)(program->bytes + MAGIC_BYTES);
    const int64_t start = MAGIC_BYTES + HEADER_NUMBERS * (int64_t)sizeof(int32_t);
    if (size < start || memcmp(program->bytes, "foresql\n", MAGIC_BYTES)) return "it is no program";
    if (header[0] != FORMAT_VERSION) return "it has another format version";
    for (int i = 1; i < HEADER_NUMBERS; i++)
        if (header[i] < 0 || header[i] > MOST) return "its header is damaged";
    program->section_count = header[1];
    program->registers = header[2];
    program->columns = header[3];
    for (int group = 0; group < 3; group++) program->answers[group] = header[4 + group];
    program->class_type = header[7];
    program->classes = header[8];
    program->texts = header[9];
    program->sections = (const Section *)(const void *)(program->bytes + start);
    const int64_t first = start + program->section_count * (int64_t)sizeof(Section);
    if (program->section_count < FIXED || first > size) return "its header is damaged";
    for (int32_t i = 0; i < program->section_count; i++) {
        const Section *each = program->sections + i;
        if (each->offset < first || each->offset % SCRATCH_ALIGNMENT || each->offset > size ||
            each->bytes < 0 || each->bytes > size - each->offset)
            return "a section lies outside of it";
    }
    return program->class_type <= CLASS_IS_TEXT ? NULL : "its header is damaged";
}

static int are_offsets(const int64_t *offsets, int64_t count, int64_t bytes) {
    if (offsets[0] < 0 || offsets[count] > bytes) return 0;
    for (int64_t i = 0; i < count; i++)
        if (offsets[i + 1] < offsets[i]) return 0;
    return 1;
}

static const char *read_texts(Program *program) {
    program->text_offsets = (const int64_t *)section(program, OF_TEXT_OFFSETS);
    program->text_bytes = (const char *)section(program, OF_TEXTS);
    if (section_items(program, OF_TEXT_OFFSETS, sizeof(int64_t)) != (int64_t)program->texts + 1 ||
        !are_offsets(program->text_offsets, program->texts, program->sections[OF_TEXTS].bytes))
        return "its texts are damaged";
    if (program->columns > program->texts) return "its columns have no names";
    program->class_values = section(program, OF_CLASSES);
    if (section_items(program, OF_CLASSES, sizeof(int64_t)) != program->classes)
        return "its labels are damaged";
    const int64_t *labels = (const int64_t *)program->class_values;
    for (int32_t i = 0; program->class_type == CLASS_IS_TEXT && i < program->classes; i++)
        if (labels[i] < 0 || labels[i] >= program->texts) return "its labels are damaged";
    return NULL;
}

static const char *read_keys(Program *program, ColumnInfo *column, const int32_t *given) {
    static const char *const damaged = "the keys of a column are damaged";
    Vocabulary *vocabulary = &column->vocabulary;
    if (given[2] < 0 || given[2] >= program->section_count) return damaged;
    const int64_t count = section_items(program, given[2], sizeof(int64_t));
    const int64_t *numbers = (const int64_t *)section(program, given[2]);
    vocabulary->count = (int32_t)count;
    if (column->type == COLUMN_IS_TEXT) {
        if (count < 1 || given[3] < 0 || given[3] >= program->section_count) return damaged;
        vocabulary->count--;
        vocabulary->offsets = numbers;
        vocabulary->texts = (const char *)section(program, given[3]);
        if (!are_offsets(numbers, count - 1, program->sections[given[3]].bytes)) return damaged;
    } else vocabulary->integers = numbers;
    if (count < 0 || count > 1 << 30) return damaged;
    return build_slots(vocabulary) ? NULL : "there is no memory for its keys";
}

static const char *read_columns(Program *program) {
    const int32_t *given = (const int32_t *)section(program, OF_COLUMNS);
    if (section_items(program, OF_COLUMNS, 4 * sizeof(int32_t)) != program->columns ||
        program->columns < 1)
        return "its columns are damaged";
    program->column = (ColumnInfo *)calloc((size_t)program->columns, sizeof(ColumnInfo));
    if (!program->column) return "there is no memory for it";
    for (int32_t i = 0; i < program->columns; i++, given += 4) {
        ColumnInfo *column = program->column + i;
        column->type = given[0];
        column->signature_type = given[1];
        if (given[0] < COLUMN_IS_NUMBER || given[0] > COLUMN_IS_TIME || given[1] < 0 ||
            given[1] > COLUMN_IS_TIME)
            return "the type of a column is damaged";
        const char *problem = given[0] == COLUMN_IS_NUMBER ? NULL : read_keys(program, column, given);
        if (problem) return problem;
    }
    return NULL;
}

/* Cut the next operation off; gives how many int32 it takes, or 0. */
static int64_t cut_operation(const int32_t *words, int64_t left, Operation *op) {
    enum { HEAD = 5 };
    if (left < HEAD) return 0;
    int64_t taken = HEAD;
    for (int i = 1; i < HEAD; i++) {
        if (words[i] < 0 || words[i] > left - taken) return 0;
        taken += words[i];
    }
    op->code = words[0];
    op->outs = words[1];
    op->ins = words[2];
    op->integers = words[3];
    op->tables = words[4];
    op->out = words + HEAD;
    op->in = op->out + op->outs;
    op->integer = op->in + op->ins;
    op->table = op->integer + op->integers;
    op->blend = NULL;
    op->walk = NULL;
    return taken;
}

static const char *read_operations(Program *program) {
    const int32_t *words = (const int32_t *)section(program, OF_OPERATIONS);
    const int64_t count = section_items(program, OF_OPERATIONS, sizeof(int32_t));
    int64_t position = 0, taken, operations = 0;
    Operation op;
    for (; position < count; position += taken, operations++)
        if (!(taken = cut_operation(words + position, count - position, &op)))
            return "an operation is damaged";
    if (count < 0 || operations > MOST) return "an operation is damaged";
    /* Each register is an operation's output: a short program asks for no huge memory. */
    if (program->registers > count) return "its header is damaged";
    program->operation = (Operation *)calloc((size_t)operations + 1, sizeof(Operation));
    if (!program->operation) return "there is no memory for it";
    for (position = 0; program->operations < operations; program->operations++)
        position += cut_operation(words + position, count - position,
                                  program->operation + program->operations);
    return NULL;
}

static const char *check_answers(Program *program, const Register *registers) {
    int64_t count = 0;
    for (int group = 0; group < 3; group++) count += program->answers[group];
    program->answer = (const int32_t *)section(program, OF_ANSWERS);
    if (section_items(program, OF_ANSWERS, sizeof(int32_t)) != count || !program->answers[0])
        return "its answers are damaged";
    for (int64_t i = 0; i < count; i++)
        if (program->answer[i] < 0 || program->answer[i] >= program->registers ||
            registers[program->answer[i]].holds != HOLDS_NUMBERS)
            return "its answers are damaged";
    return NULL;
}

static const char *check_all(Program *program) {
    Checking checking = {program, NULL};
    checking.registers = (Register *)calloc((size_t)program->registers + 1, sizeof(Register));
    if (!checking.registers) return "there is no memory for it";
    const char *problem = NULL;
    for (int32_t i = 0; !problem && i < program->operations; i++)
        if (!check_operation(&checking, program->operation + i)) problem = "an operation is damaged";
    if (!problem) problem = check_answers(program, checking.registers);
    free(checking.registers);
    return problem;
}

int foresql_program_open(const void *bytes, int64_t size, Program **program, char *message,
                         int64_t message_size) {
    const uint16_t one = 1;
    *program = NULL;
    if (*(const uint8_t *)&one != 1) return fail(message, message_size, "this machine is big-endian");
    if (!bytes || (uintptr_t)bytes % sizeof(int64_t))
        return fail(message, message_size, "it is not aligned to 8 bytes");
    Program *made = (Program *)calloc(1, sizeof(Program));
    if (!made) return fail(message, message_size, "there is no memory for it");
    made->bytes = (const char *)bytes;
    const char *problem = read_header(made, size);
    if (!problem) problem = read_texts(made);
    if (!problem) problem = read_columns(made);
    if (!problem) problem = read_operations(made);
    if (!problem) problem = check_all(made);
    if (problem) {
        foresql_program_close(made);
        return fail(message, message_size, problem);
    }
    *program = made;
    return 0;
}

void foresql_program_close(Program *program) {
    if (!program) return;
    for (int32_t i = 0; program->column && i < program->columns; i++)
        free(program->column[i].vocabulary.slots);
    for (int32_t i = 0; program->operation && i < program->operations; i++) {
        free(program->operation[i].blend);
        free(program->operation[i].walk);
    }
    free(program->column);
    free(program->operation);
    free(program);
}

/* ----------------------------------------------------------------------------------------- running */

/* Slots of registers and where their values are, what a forest needs, and room to align. */
int64_t foresql_program_scratch(const Program *program) {
    return (int64_t)program->registers * (BLOCK_ROWS * sizeof(double) + sizeof(void *)) +
           (int64_t)program->forest_inputs * sizeof(void *) + program->forest_scratch +
           2 * SCRATCH_ALIGNMENT;
}

static char *aligned(void *memory) {
    return (char *)memory + (SCRATCH_ALIGNMENT - (uintptr_t)memory % SCRATCH_ALIGNMENT) %
                                SCRATCH_ALIGNMENT;
}

static int is_readable(const ColumnInfo *info, const Column *column) {
    const int32_t kind = column->kind;
    if (kind == COLUMN_ABSENT) return 1;
    if (kind == COLUMN_CODES)
        return info->type != COLUMN_IS_NUMBER && (column->data || !info->read_as_number);
    switch (info->type) {
    case COLUMN_IS_NUMBER:
        return kind == COLUMN_DOUBLE || kind == COLUMN_FLOAT || is_integer(kind) || is_boolean(kind);
    case COLUMN_IS_INTEGER: return is_integer(kind);
    case COLUMN_IS_BOOLEAN: return is_boolean(kind);
    case COLUMN_IS_TEXT: return is_text(kind);
    default: return kind == COLUMN_INT64;
    }
}

static int unreadable(const Program *program, int32_t index, char *message, int64_t size) {
    static const char *const holds[] = {"numbers", "integers of 64 bits", "booleans", "texts",
                                        "timestamps"};
    Text name = text_of(program, index);
    if (message && size > 0)
        snprintf(message, (size_t)size, "Column '%.*s' cannot be read as %s, on which the model was trained.",
                 (int)name.length, name.bytes, holds[program->column[index].type]);
    return RUN_UNREADABLE;
}

static int run_block(Block *run, const Operation **failed) {
    const Program *program = run->program;
    for (int32_t i = 0; i < program->operations; i++) {
        const int result = run_operation(run, program->operation + i);
        if (result == RUN_DONE) continue;
        *failed = program->operation + i;
        return result;
    }
    return RUN_DONE;
}

static void copy_answers(const Block *run, double *answers, int64_t stride) {
    const Program *program = run->program;
    const int32_t count = program->answers[0] + program->answers[1] + program->answers[2];
    for (int32_t i = 0; i < count; i++)
        memcpy(answers + i * stride + run->start, run->value[program->answer[i]],
               (size_t)run->rows * sizeof(double));
}

int foresql_program_run(const Program *program, const Column *columns, int64_t rows,
                        double *answers, int64_t stride, void *scratch, int variant,
                        char *message, int64_t message_size) {
    const int64_t lanes = rows < BLOCK_ROWS ? (rows + LANE - 1) / LANE * LANE : BLOCK_ROWS;
    Block run = {.program = program, .columns = columns, .stride = lanes, .variant = variant};
    run.slots = (double *)(void *)aligned(scratch);
    run.value = (const double **)(void *)(run.slots + program->registers * lanes);
    run.pointers = run.value + program->registers;
    run.forest_scratch = (uint8_t *)aligned((void *)(run.pointers + program->forest_inputs));
    for (int32_t i = 0; i < program->columns; i++)
        if (!is_readable(program->column + i, columns + i))
            return unreadable(program, i, message, message_size);
    for (; run.start < rows; run.start += BLOCK_ROWS) {
        const Operation *failed = NULL;
        run.rows = rows - run.start < BLOCK_ROWS ? rows - run.start : BLOCK_ROWS;
        const int result = run_block(&run, &failed);
        if (result == RUN_UNREADABLE)
            return unreadable(program, failed->integer[0], message, message_size);
        if (result == RUN_REFUSED) {
            describe_refusal(&run, failed, message, message_size);
            return RUN_REFUSED;
        }
        copy_answers(&run, answers, stride);
    }
    return RUN_DONE;
}

int foresql_program_call(const Call *call) {
    return foresql_program_run(call->program, call->columns, call->rows, call->answers,
                               call->stride, call->scratch, call->variant, call->message,
                               call->message_size);
}

/* -------------------------------------------------------------------------------------- signature */

int32_t foresql_program_columns(const Program *program) { return program->columns; }

const char *foresql_program_column_name(const Program *program, int32_t index, int64_t *length) {
    Text name = text_of(program, index);
    *length = name.length;
    return name.bytes;
}

int32_t foresql_program_column_type(const Program *program, int32_t index) {
    return program->column[index].type;
}

int32_t foresql_program_signature_type(const Program *program, int32_t index) {
    return program->column[index].signature_type;
}

int32_t foresql_program_key_count(const Program *program, int32_t index) {
    return program->column[index].vocabulary.count;
}

int32_t foresql_program_answers(const Program *program, int32_t group) {
    return group >= 0 && group < 3 ? program->answers[group] : 0;
}

int32_t foresql_program_classes(const Program *program) { return program->classes; }

int32_t foresql_program_class_type(const Program *program) { return program->class_type; }

double foresql_program_class_double(const Program *program, int32_t index) {
    return ((const double *)program->class_values)[index];
}

int64_t foresql_program_class_integer(const Program *program, int32_t index) {
    return ((const int64_t *)program->class_values)[index];
}

const char *foresql_program_class_text(const Program *program, int32_t index, int64_t *length) {
    Text label = text_of(program, (int32_t)foresql_program_class_integer(program, index));
    *length = label.length;
    return label.bytes;
}
