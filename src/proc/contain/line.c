/* proc/contain/line.c - DWARF's line machine, as far as one question needs it. */
#include <string.h>
#include "proc/contain/dwarf.h"
#include "proc/contain/line.h"

enum { FORM_STRING = 0x08, FORM_LINE_STRP = 0x1f, FORM_STRP = 0x0e, FORM_UDATA = 0x0f, FORM_BLOCK = 0x09 };
enum { CONTENT_PATH = 1, CONTENT_DIRECTORY = 2, FORMATS_MAX = 8 };

/* A string that ends within the bytes; "" when it does not. */
static const char *string(struct esi_dwarf *r)
{
    const uint8_t *end = r->failed ? NULL : memchr(r->at, 0, (size_t)(r->end - r->at));
    if (!end) {
        r->failed = true;
        return "";
    }
    const char *text = (const char *)r->at;
    r->at = end + 1;
    return text;
}

static const char *string_at(struct esi_bytes bytes, uint64_t offset)
{
    if (!bytes.data || offset >= bytes.size || !memchr(bytes.data + offset, 0, bytes.size - offset))
        return "";
    return (const char *)bytes.data + offset;
}

/* One unit: its header. */
struct unit {
    const struct esi_line_tables *tables;
    unsigned version;
    uint8_t least_length, operations, opcode_base;
    int8_t line_base;
    uint8_t line_range;
    const uint8_t *opcode_lengths;
    struct esi_dwarf names; /* directories, then files */
    struct esi_dwarf program;
};

static bool read_header(struct esi_dwarf *r, struct unit *u)
{
    uint64_t length = esi_dwarf_fixed(r, 4);
    if (r->failed || length >= 0xfffffff0 || length > (uint64_t)(r->end - r->at))
        return false;
    struct esi_dwarf in = {r->at, r->at + length, false};
    r->at += length;
    u->version = (unsigned)esi_dwarf_fixed(&in, 2);
    if (u->version < 2 || u->version > 5)
        return false;
    if (u->version == 5)
        esi_dwarf_skip(&in, 2);
    uint64_t header_length = esi_dwarf_fixed(&in, 4);
    u->program = in;
    esi_dwarf_skip(&u->program, header_length);
    in.end = u->program.at;
    u->least_length = (uint8_t)esi_dwarf_fixed(&in, 1);
    u->operations = u->version >= 4 ? (uint8_t)esi_dwarf_fixed(&in, 1) : 1;
    esi_dwarf_skip(&in, 1);
    u->line_base = (int8_t)esi_dwarf_fixed(&in, 1);
    u->line_range = (uint8_t)esi_dwarf_fixed(&in, 1);
    u->opcode_base = (uint8_t)esi_dwarf_fixed(&in, 1);
    u->opcode_lengths = in.at;
    esi_dwarf_skip(&in, u->opcode_base ? u->opcode_base - 1u : 0);
    u->names = in;
    return !in.failed && !u->program.failed && u->line_range != 0 && u->operations != 0;
}

/* ---- the machine ---- */

struct row {
    uint64_t address, file;
    int64_t line;
};

static void advance(const struct unit *u, struct row *row, uint64_t by)
{
    row->address += by * u->least_length;
}

/* The opcodes 1 to 9 and beyond. True: a row was made. */
static bool run_standard(const struct unit *u, struct esi_dwarf *r, struct row *row, uint8_t op)
{
    switch (op) {
    case 1: /* copy */
        return true;
    case 2:
        advance(u, row, esi_dwarf_uleb(r));
        return false;
    case 3:
        row->line += esi_dwarf_sleb(r);
        return false;
    case 4:
        row->file = esi_dwarf_uleb(r);
        return false;
    case 8: /* const_add_pc */
        advance(u, row, (255u - u->opcode_base) / u->line_range);
        return false;
    case 9:
        row->address += esi_dwarf_fixed(r, 2);
        return false;
    default:
        for (int i = 0; i < u->opcode_lengths[op - 1]; i++)
            (void)esi_dwarf_uleb(r);
        return false;
    }
}

/* True: the sequence ends. */
static bool run_extended(struct esi_dwarf *r, struct row *row)
{
    uint64_t length = esi_dwarf_uleb(r);
    struct esi_dwarf in = *r;
    esi_dwarf_skip(r, length);
    if (r->failed || length == 0)
        return false;
    uint8_t op = (uint8_t)esi_dwarf_fixed(&in, 1);
    if (op == 2) /* set_address */
        row->address = esi_dwarf_fixed(&in, length - 1);
    return op == 1;
}

/* The row that covers `wanted`: the last one at or before it whose successor lies behind it. */
static bool find_row(const struct unit *u, uint64_t wanted, struct row *out)
{
    struct esi_dwarf r = u->program;
    struct row row = {0, 1, 1}, last = row;
    bool has_last = false;
    while (!r.failed && r.at < r.end) {
        uint8_t op = (uint8_t)esi_dwarf_fixed(&r, 1);
        bool ends = false, makes_row;
        if (op >= u->opcode_base) {
            advance(u, &row, (unsigned)(op - u->opcode_base) / u->line_range);
            row.line += u->line_base + (op - u->opcode_base) % u->line_range;
            makes_row = true;
        } else if (op == 0) {
            ends = makes_row = run_extended(&r, &row);
        } else {
            makes_row = run_standard(u, &r, &row, op);
        }
        if (!makes_row)
            continue;
        /* Address 0 stands for what the linker threw away. */
        if (has_last && last.address != 0 && wanted >= last.address && wanted < row.address) {
            *out = last;
            return true;
        }
        last = row;
        has_last = !ends;
        if (ends)
            row = (struct row){0, 1, 1};
    }
    return false;
}

/* ---- names ---- */

struct name {
    const char *path;
    uint64_t directory;
};

static const char *read_form(const struct unit *u, struct esi_dwarf *r, uint64_t form, uint64_t *number)
{
    *number = 0;
    switch (form) {
    case FORM_STRING:
        return string(r);
    case FORM_LINE_STRP:
        return string_at(u->tables->line_strings, esi_dwarf_fixed(r, 4));
    case FORM_STRP:
        return string_at(u->tables->strings, esi_dwarf_fixed(r, 4));
    case FORM_UDATA:
        *number = esi_dwarf_uleb(r);
        return "";
    case 0x0b: /* data1, 2, 4, 8, 16 */
        *number = esi_dwarf_fixed(r, 1);
        return "";
    case 0x05:
        *number = esi_dwarf_fixed(r, 2);
        return "";
    case 0x06:
        *number = esi_dwarf_fixed(r, 4);
        return "";
    case 0x07:
        *number = esi_dwarf_fixed(r, 8);
        return "";
    case 0x1e:
        esi_dwarf_skip(r, 16);
        return "";
    case FORM_BLOCK:
        esi_dwarf_skip(r, esi_dwarf_uleb(r));
        return "";
    default:
        r->failed = true;
        return "";
    }
}

/* Reads one table of version 5 and leaves entry `wanted` in `*out`. */
static void read_table(const struct unit *u, struct esi_dwarf *r, uint64_t wanted, struct name *out)
{
    uint64_t content[FORMATS_MAX], form[FORMATS_MAX], format_count = esi_dwarf_fixed(r, 1);
    if (format_count > FORMATS_MAX)
        r->failed = true;
    for (uint64_t i = 0; i < format_count && !r->failed; i++) {
        content[i] = esi_dwarf_uleb(r);
        form[i] = esi_dwarf_uleb(r);
    }
    uint64_t count = esi_dwarf_uleb(r);
    for (uint64_t i = 0; i < count && format_count && !r->failed; i++) {
        struct name name = {"", 0};
        for (uint64_t f = 0; f < format_count; f++) {
            uint64_t number;
            const char *text = read_form(u, r, form[f], &number);
            if (content[f] == CONTENT_PATH)
                name.path = text;
            else if (content[f] == CONTENT_DIRECTORY)
                name.directory = number;
        }
        if (i == wanted)
            *out = name;
    }
}

static void find_name_5(const struct unit *u, uint64_t file, struct name *name, const char **directory)
{
    struct esi_dwarf directories = u->names, r = u->names;
    struct name unused = {"", 0}, found = {"", 0};
    read_table(u, &r, UINT64_MAX, &unused);
    read_table(u, &r, file, name);
    read_table(u, &directories, name->directory, &found);
    *directory = found.path;
}

/* Before version 5 both count from 1, and directory 0 is the compiler's. */
static void find_name_4(const struct unit *u, uint64_t file, struct name *name, const char **directory)
{
    struct esi_dwarf r = u->names, directories = r;
    while (!r.failed && *string(&r) != '\0')
        ;
    for (uint64_t i = 1; !r.failed; i++) {
        const char *path = string(&r);
        if (*path == '\0')
            break;
        uint64_t in = esi_dwarf_uleb(&r);
        (void)esi_dwarf_uleb(&r);
        (void)esi_dwarf_uleb(&r);
        if (i == file)
            *name = (struct name){path, in};
    }
    for (uint64_t i = 1; i <= name->directory && !directories.failed; i++) {
        *directory = string(&directories);
        if (**directory == '\0')
            break;
    }
}

/* The last two parts of "directory/path". */
static void write_path(const char *directory, const char *path, char *file, size_t size)
{
    const char *slash = strrchr(path, '/'), *from = path;
    if (slash) {
        from = slash;
        while (from > path && from[-1] != '/')
            from--;
        directory = "";
    }
    const char *part = strrchr(directory, '/');
    part = part ? part + 1 : directory;
    if (strcmp(part, "..") == 0 || strcmp(part, ".") == 0)
        part = "";
    size_t at = 0, length = strlen(part);
    if (length > 0 && length + 1 < size) {
        memcpy(file, part, length);
        file[length] = '/';
        at = length + 1;
    }
    length = strnlen(from, size - 1 - at);
    memcpy(file + at, from, length);
    file[at + length] = '\0';
}

bool esi_line_find(const struct esi_line_tables *tables, uint64_t address, char *file, size_t size, int *line)
{
    struct esi_dwarf r = {tables->lines.data,
                          tables->lines.data ? tables->lines.data + tables->lines.size : NULL, false};
    while (r.at < r.end) {
        struct unit u = {.tables = tables};
        const uint8_t *before = r.at;
        struct row row;
        bool is_good = read_header(&r, &u);
        if (!is_good && r.at <= before + 4)
            return false; /* no way to the next one */
        if (!is_good || !find_row(&u, address, &row) || row.line <= 0 || row.line > INT32_MAX)
            continue;
        struct name name = {"", 0};
        const char *directory = "";
        if (u.version == 5)
            find_name_5(&u, row.file, &name, &directory);
        else
            find_name_4(&u, row.file, &name, &directory);
        if (name.path[0] == '\0')
            return false;
        write_path(directory, name.path, file, size);
        *line = (int)row.line;
        return true;
    }
    return false;
}
