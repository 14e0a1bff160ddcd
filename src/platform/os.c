/* platform/os.c - what the calls of os.h have that is more than one call. */
#include "platform/os.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

int64_t esi_os_names(const char *path, FILE *out)
{
    if (esi_platform_is_sim())
        return esi_sim_names(path, out);
    int64_t count = 0;
    DIR *folder = opendir(path);
    if (!folder)
        return -1;
    for (struct dirent *entry; (errno = 0, entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        fwrite(entry->d_name, 1, strlen(entry->d_name) + 1, out);
        count++;
    }
    int code = errno;
    closedir(folder);
    errno = code;
    return code ? -1 : count;
}
