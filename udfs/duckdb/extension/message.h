/* Error messages: what, where, what to do. */

#ifndef FORESQL_DUCKDB_MESSAGE_H
#define FORESQL_DUCKDB_MESSAGE_H

typedef struct {
    char text[2048];
} Message;

/* Write a message and return 1, for `return fail(…)`. What is no UTF-8 becomes question marks. */
int fail(Message *message, const char *format, ...);

/* Make a text that was cut off, or that a file claims, valid UTF-8. */
void make_utf8(char *text);

#endif
