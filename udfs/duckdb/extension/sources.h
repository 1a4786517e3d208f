#ifndef FORESQL_SOURCES_H
#define FORESQL_SOURCES_H

#include "binding.h"

/* Find where each column of a binding's model comes from. Returns 0, or 1 with a message. */
int bind_sources(duckdb_bind_info info, Binding *binding, int takes_values, Message *message);
void free_sources(Source *sources, int32_t count);

#endif
