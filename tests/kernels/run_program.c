/* Run programs on tables of doubles, on a machine that may have no Python.
 *
 *   run_program PROGRAM TABLE ROWS ANSWERS [PROGRAM TABLE ROWS ANSWERS]...
 *
 * TABLE holds one column after the other; ANSWERS is written in the same way. */

#include <stdio.h>
#include <stdlib.h>

#include "../../kernels/native/program.h"

int foresql_best(void);

static void *read_file(const char *path, int64_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) exit(2);
    *size = ftell(file);
    rewind(file);
    void *bytes = malloc((size_t)*size + 1);
    if (!bytes || fread(bytes, 1, (size_t)*size, file) != (size_t)*size) exit(2);
    fclose(file);
    return bytes;
}

static int run(char **arguments) {
    char message[500];
    int64_t size, table_size, wide = 0;
    Program *program;
    void *bytes = read_file(arguments[0], &size);
    double *table = read_file(arguments[1], &table_size);
    const int64_t rows = atoll(arguments[2]);
    if (foresql_program_open(bytes, size, &program, message, sizeof message)) {
        fputs(message, stderr);
        return 1;
    }
    const int32_t width = foresql_program_columns(program);
    if (table_size != width * rows * (int64_t)sizeof(double)) return 2;
    for (int group = 0; group < 3; group++) wide += foresql_program_answers(program, group);
    Column *columns = calloc((size_t)width, sizeof *columns);
    double *answers = calloc((size_t)(wide * rows) + 1, sizeof *answers);
    void *scratch = malloc((size_t)foresql_program_scratch(program));
    if (!columns || !answers || !scratch) return 2;
    for (int32_t i = 0; i < width; i++) {
        columns[i].kind = COLUMN_DOUBLE;
        columns[i].values = table + i * rows;
    }
    if (foresql_program_run(program, columns, rows, answers, rows, scratch, foresql_best(), message,
                            sizeof message)) {
        fputs(message, stderr);
        return 1;
    }
    FILE *out = fopen(arguments[3], "wb");
    const size_t count = (size_t)(wide * rows);
    if (!out || fwrite(answers, sizeof *answers, count, out) != count || fclose(out)) return 2;
    foresql_program_close(program);
    free(bytes);
    free(table);
    free(columns);
    free(answers);
    free(scratch);
    return 0;
}

int main(int count, char **arguments) {
    int status = 0;
    for (int i = 1; i + 4 <= count && !status; i += 4) status = run(arguments + i);
    return status;
}
