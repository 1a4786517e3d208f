#ifndef FORESQL_ANSWERS_H
#define FORESQL_ANSWERS_H

#include "binding.h"

/* Write what a call gives into DuckDB's vector: answers is double[…][stride], as a program gives
 * them. Returns 0, or 1 with a message. */
int write_answers(const Binding *binding, const double *answers, idx_t stride, idx_t rows,
                  duckdb_vector output, Message *message);

#endif
