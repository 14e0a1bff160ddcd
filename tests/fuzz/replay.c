/* tests/fuzz/replay.c - gives each file of the folders on the command line to a fuzzer's function, without the fuzzer: with any compiler.
 *
 * libFuzzer's programs have this built in; here it is for measuring what the kept seeds reach. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LARGEST = 65536 };

/* False: it cannot be read. */
static int replay(const char *path)
{
    static uint8_t buffer[LARGEST];
    FILE *file = fopen(path, "rb");
    if (!file)
        return 0;
    size_t size = fread(buffer, 1, sizeof buffer, file);
    fclose(file);
    LLVMFuzzerTestOneInput(buffer, size);
    return 1;
}

int main(int argc, char **argv)
{
    long count = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        for (struct dirent *entry; folder && (entry = readdir(folder));) {
            char path[4096];
            if (entry->d_name[0] == '.')
                continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            if (!replay(path)) {
                perror(path);
                return EXIT_FAILURE;
            }
            count++;
        }
        if (folder)
            closedir(folder);
    }
    printf("%ld files\n", count);
    return count ? EXIT_SUCCESS : EXIT_FAILURE;
}
