#ifndef FORESQL_SCORE_H
#define FORESQL_SCORE_H

#include "duckdb_api.h"

/* DuckDB calls it once for each thread that runs a call. */
void start_thread(duckdb_init_info info);

/* DuckDB calls it for each chunk of rows. */
void score_chunk(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output);

#endif
