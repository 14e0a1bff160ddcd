/* proc/contain/line.h - the line of source that an instruction came from.
 *
 * Runs the line programs of DWARF 2 to 5 (.debug_line) until one covers the address. Reads only the bytes it is given and
 * believes none of them. Compressed sections and DWARF64 are not read. */
#ifndef PROC_CONTAIN_LINE_H
#define PROC_CONTAIN_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct esi_bytes {
    const uint8_t *data; /* NULL: not there */
    size_t size;
};

struct esi_line_tables {
    struct esi_bytes lines, line_strings, strings; /* .debug_line, .debug_line_str, .debug_str */
};

/* Writes the end of the path (two parts at most) to `file[size]` and the line. False: not found; nothing written. */
bool esi_line_find(const struct esi_line_tables *tables, uint64_t address, char *file, size_t size,
                   int *line);

#endif
