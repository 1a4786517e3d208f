/* DuckDB's C API opens files and lists no folders. */

#include "folder.h"

#ifdef _WIN32
#include <io.h>
#include <stdio.h>

int list_folder(const char *path, void (*visit)(void *context, const char *name), void *context)
{
    char pattern[4200];
    struct _finddata_t entry;
    if (snprintf(pattern, sizeof pattern, "%s/*", path) >= (int)sizeof pattern)
        return 1;
    intptr_t search = _findfirst(pattern, &entry);
    if (search == -1)
        return 1;
    do {
        if (entry.name[0] != '.')
            visit(context, entry.name);
    } while (_findnext(search, &entry) == 0);
    _findclose(search);
    return 0;
}
#else
#include <dirent.h>
#include <stddef.h>

int list_folder(const char *path, void (*visit)(void *context, const char *name), void *context)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return 1;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.')
            visit(context, entry->d_name);
    closedir(folder);
    return 0;
}
#endif
