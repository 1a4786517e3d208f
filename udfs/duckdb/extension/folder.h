#ifndef FORESQL_FOLDER_H
#define FORESQL_FOLDER_H

/* Call visit with the name of each entry of a folder, but those that begin with a dot. Returns 0,
 * or 1 where there is no such folder or it cannot be read. */
int list_folder(const char *path, void (*visit)(void *context, const char *name), void *context);

#endif
