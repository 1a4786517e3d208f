#ifndef FORESQL_RECORD_H
#define FORESQL_RECORD_H

#include <stdint.h>

/* A member of a record. With text, its value is copied there; otherwise where is_number, to number;
 * otherwise it is some text that is checked and passed over. */
typedef struct {
    const char *name;
    int is_number;
    char *text;
    int64_t text_size;
    int64_t number;
    int seen;
} RecordField;

/* Read a JSON object of texts and positive integers that has exactly these members, each once.
 * A text that is asked for has no escapes. bytes end with a 0. Returns 0, or 1 if it is not so. */
int read_record(const char *bytes, RecordField *fields, int count);

#endif
