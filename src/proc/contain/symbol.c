/* proc/contain/symbol.c - symbol tables, read from the modules' files once and kept.
 *
 * The files are read, not mapped: somebody may write over one while it is open. That a file is still the one that was loaded is seen by
 * its program headers. Sizes in it are believed only within bounds. */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/alloc.h"
#include "proc/contain/line.h"
#include "proc/contain/module.h"
#include "proc/contain/symbol.h"

enum { FILES_MAX = 64, SECTIONS_MAX = 4096, SECTION_BYTES_MAX = 64 << 20, LINES_CACHED = 256 };

struct entry {
    uint64_t address;
    uint32_t size;
    uint32_t name : 31, is_global : 1;
};

/* What is kept of one module; also when nothing was found, so that it is not tried again. */
struct file {
    uintptr_t base;
    char path[256];
    struct entry *entries; /* sorted by address */
    size_t count;
    char *names;
    size_t names_size;
    struct esi_line_tables lines;
    bool has_tried_lines;
};

/* Guarded by the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file files[FILES_MAX];
static int file_count;
static unsigned generation; /* of the modules that the files are of */
static struct {
    uintptr_t pc;
    char file[128];
    int line;
} lines_cached[LINES_CACHED]; /* crashes come from the same places again and again */

/* ---- reading a file ---- */

struct elf {
    int fd;
    uint64_t size;
    ElfW(Ehdr) header;
    ElfW(Shdr) * sections;
    char *section_names;
    size_t section_names_size;
};

static bool read_at(const struct elf *elf, uint64_t offset, void *to, size_t bytes)
{
    if (offset > elf->size || bytes > elf->size - offset)
        return false;
    for (char *at = to; bytes > 0;) {
        ssize_t got = pread(elf->fd, at, bytes, (off_t)offset);
        if (got <= 0)
            return false;
        at += got;
        offset += (uint64_t)got;
        bytes -= (size_t)got;
    }
    return true;
}

/* The bytes of a section and a 0 behind them, so that strings end. NULL: not to be had. The caller frees it. */
static void *read_section(const struct elf *elf, const ElfW(Shdr) * section)
{
    if (section->sh_type == SHT_NOBITS || section->sh_flags & SHF_COMPRESSED ||
        section->sh_size > SECTION_BYTES_MAX)
        return NULL;
    char *bytes = esi_alloc(section->sh_size + 1);
    if (bytes && !read_at(elf, section->sh_offset, bytes, section->sh_size)) {
        esi_free(bytes);
        return NULL;
    }
    if (bytes)
        bytes[section->sh_size] = '\0';
    return bytes;
}

/* Is this the file that was loaded? */
static bool is_same(const struct elf *elf, const struct esi_module *module)
{
    size_t bytes = module->phdr_count * sizeof(ElfW(Phdr));
    if (elf->header.e_phnum != module->phdr_count || elf->header.e_phentsize != sizeof(ElfW(Phdr)))
        return false;
    void *phdrs = esi_alloc(bytes);
    bool same =
        phdrs && read_at(elf, elf->header.e_phoff, phdrs, bytes) && memcmp(phdrs, module->phdrs, bytes) == 0;
    esi_free(phdrs);
    return same;
}

static void elf_close(struct elf *elf)
{
    esi_free(elf->sections);
    esi_free(elf->section_names);
    close(elf->fd);
}

static bool read_sections(struct elf *elf)
{
    const ElfW(Ehdr) *h = &elf->header;
    if (h->e_shentsize != sizeof(ElfW(Shdr)) || h->e_shnum == 0 || h->e_shnum > SECTIONS_MAX ||
        h->e_shstrndx >= h->e_shnum)
        return false;
    elf->sections = esi_alloc(h->e_shnum * sizeof *elf->sections);
    if (!elf->sections || !read_at(elf, h->e_shoff, elf->sections, h->e_shnum * sizeof *elf->sections))
        return false;
    const ElfW(Shdr) *names = &elf->sections[h->e_shstrndx];
    elf->section_names = read_section(elf, names);
    elf->section_names_size = elf->section_names ? names->sh_size : 0;
    return elf->section_names != NULL;
}

static bool elf_open(const struct esi_module *module, struct elf *elf)
{
    *elf = (struct elf){.fd = open(module->path, O_RDONLY | O_CLOEXEC)};
    struct stat info;
    if (elf->fd < 0)
        return false;
    if (fstat(elf->fd, &info) == 0 && S_ISREG(info.st_mode)) {
        elf->size = (uint64_t)info.st_size;
        if (read_at(elf, 0, &elf->header, sizeof elf->header) &&
            memcmp(elf->header.e_ident, ELFMAG, SELFMAG) == 0 &&
            elf->header.e_ident[EI_CLASS] == (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) &&
            is_same(elf, module) && read_sections(elf))
            return true;
    }
    elf_close(elf);
    return false;
}

static const ElfW(Shdr) * find_section(const struct elf *elf, const char *name)
{
    for (int i = 0; i < elf->header.e_shnum; i++) {
        uint32_t at = elf->sections[i].sh_name;
        if (at < elf->section_names_size && strcmp(elf->section_names + at, name) == 0)
            return &elf->sections[i];
    }
    return NULL;
}

/* ---- symbols ---- */

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

static void keep_functions(struct file *file, const ElfW(Sym) * symbols, size_t count)
{
    file->entries = esi_alloc_zeroed(count + 1, sizeof *file->entries);
    for (size_t i = 0; file->entries && i < count; i++) {
        unsigned type = symbols[i].st_info & 0xf;
        if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbols[i].st_shndx == SHN_UNDEF ||
            symbols[i].st_name >= file->names_size || symbols[i].st_name > INT32_MAX)
            continue;
        uint64_t size = symbols[i].st_size;
        bool is_global =
            symbols[i].st_info >> 4 != STB_LOCAL && ELF64_ST_VISIBILITY(symbols[i].st_other) == STV_DEFAULT;
        file->entries[file->count++] =
            (struct entry){symbols[i].st_value, size > UINT32_MAX ? UINT32_MAX : (uint32_t)size,
                           symbols[i].st_name & INT32_MAX, is_global};
    }
    if (file->count)
        qsort(file->entries, file->count, sizeof *file->entries, compare_entries);
}

/* .symtab with the static functions, or else what the dynamic linker needs. */
static void read_symbols(struct file *file, const struct elf *elf)
{
    const ElfW(Shdr) *table = find_section(elf, ".symtab");
    if (!table)
        table = find_section(elf, ".dynsym");
    if (!table || table->sh_link >= elf->header.e_shnum || table->sh_entsize != sizeof(ElfW(Sym)))
        return;
    const ElfW(Shdr) *names = &elf->sections[table->sh_link];
    ElfW(Sym) *symbols = read_section(elf, table);
    file->names = symbols ? read_section(elf, names) : NULL;
    file->names_size = file->names ? names->sh_size : 0;
    if (file->names)
        keep_functions(file, symbols, table->sh_size / sizeof(ElfW(Sym)));
    esi_free(symbols);
}

static struct file *file_of(const struct esi_module *module)
{
    for (int i = 0; i < file_count; i++) {
        if (files[i].base == module->base && strcmp(files[i].path, module->path) == 0)
            return &files[i];
    }
    if (file_count == FILES_MAX)
        return NULL;
    struct file *file = &files[file_count++];
    *file = (struct file){.base = module->base};
    memcpy(file->path, module->path, sizeof file->path);
    struct elf elf;
    if (elf_open(module, &elf)) {
        read_symbols(file, &elf);
        elf_close(&elf);
    }
    return file;
}

static void find_function(const struct file *file, uint64_t address, struct esi_symbol *out)
{
    size_t low = 0, high = file->count;
    while (low < high) { /* the last one that starts at or before the address */
        size_t middle = low + (high - low) / 2;
        if (file->entries[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return;
    const struct entry *entry = &file->entries[low - 1];
    if (entry->size != 0 && address - entry->address >= entry->size)
        return;
    const char *name = file->names + entry->name;
    size_t length = strnlen(name, sizeof out->function - 1);
    memcpy(out->function, name, length);
    out->function[length] = '\0';
    out->offset = address - entry->address;
    out->is_global = entry->is_global;
}

/* ---- lines ---- */

static struct esi_bytes take_section(const struct elf *elf, const char *name)
{
    const ElfW(Shdr) *section = find_section(elf, name);
    struct esi_bytes bytes = {section ? read_section(elf, section) : NULL, 0};
    if (bytes.data)
        bytes.size = section->sh_size;
    return bytes;
}

static void read_lines(struct file *file, const struct esi_module *module)
{
    file->has_tried_lines = true;
    struct elf elf;
    if (!elf_open(module, &elf))
        return;
    file->lines.lines = take_section(&elf, ".debug_line");
    file->lines.line_strings = take_section(&elf, ".debug_line_str");
    file->lines.strings = take_section(&elf, ".debug_str");
    elf_close(&elf);
}

static void find_line(struct file *file, const struct esi_module *module, uintptr_t pc,
                      struct esi_symbol *out)
{
    int slot = (int)(pc % LINES_CACHED);
    if (lines_cached[slot].pc != pc) {
        if (!file->has_tried_lines)
            read_lines(file, module);
        lines_cached[slot].pc = pc;
        lines_cached[slot].line = 0;
        lines_cached[slot].file[0] = '\0';
        esi_line_find(&file->lines, pc - module->base, lines_cached[slot].file,
                      sizeof lines_cached[slot].file, &lines_cached[slot].line);
    }
    memcpy(out->file, lines_cached[slot].file, sizeof out->file);
    out->line = lines_cached[slot].line;
}

/* ---- from outside ---- */

static void forget(void)
{
    for (int i = 0; i < file_count; i++) {
        esi_free(files[i].entries);
        esi_free(files[i].names);
        esi_free((void *)(uintptr_t)files[i].lines.lines.data);
        esi_free((void *)(uintptr_t)files[i].lines.line_strings.data);
        esi_free((void *)(uintptr_t)files[i].lines.strings.data);
    }
    file_count = 0;
    memset(lines_cached, 0, sizeof lines_cached);
}

void esi_symbol_find(uintptr_t pc, bool wants_line, struct esi_symbol *out)
{
    *out = (struct esi_symbol){.offset = pc};
    const struct esi_module *module = esi_module_of(pc);
    if (!module)
        return;
    memcpy(out->module, module->name, sizeof out->module);
    out->offset = pc - module->base;
    pthread_mutex_lock(&lock);
    if (generation != esi_modules_generation())
        forget();
    generation = esi_modules_generation();
    struct file *file = file_of(module);
    if (file) {
        find_function(file, pc - module->base, out);
        if (wants_line)
            find_line(file, module, pc, out);
    }
    pthread_mutex_unlock(&lock);
}

void esi_symbol_text(const struct esi_symbol *symbol, uintptr_t pc, struct esi_text *text)
{
    if (symbol->function[0]) {
        esi_text_printable(text, symbol->function, strlen(symbol->function));
        esi_text_str(text, "+0x");
        esi_text_hex(text, symbol->offset);
        esi_text_str(text, " in ");
        esi_text_printable(text, symbol->module, strlen(symbol->module));
    } else if (symbol->module[0]) {
        esi_text_printable(text, symbol->module, strlen(symbol->module));
        esi_text_str(text, "+0x");
        esi_text_hex(text, symbol->offset);
    } else {
        esi_text_str(text, "0x");
        esi_text_hex(text, pc);
    }
}

void esi_symbol_text_and_line(const struct esi_symbol *symbol, uintptr_t pc, struct esi_text *text)
{
    esi_symbol_text(symbol, pc, text);
    if (symbol->line <= 0)
        return;
    esi_text_str(text, " (");
    esi_text_printable(text, symbol->file, strlen(symbol->file));
    esi_text_char(text, ':');
    esi_text_i64(text, symbol->line);
    esi_text_char(text, ')');
}

void esi_symbols_stop(void)
{
    pthread_mutex_lock(&lock);
    forget();
    pthread_mutex_unlock(&lock);
}
