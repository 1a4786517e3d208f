#ifndef FORESQL_DUCKDB_FILES_H
#define FORESQL_DUCKDB_FILES_H

#include "duckdb_api.h"
#include "files.h"

/* Read through DuckDB, so that its restrictions (enable_external_access, allowed_directories) hold
 * for models too. file_system outlives the result. */
Files duckdb_files(duckdb_file_system file_system);

#endif
