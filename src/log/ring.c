/* ring.c - see ring.h. A record is a head and strings, each with its length before and a 0 behind; it never goes over the ring's end. */
#include "log/ring.h"

#include <string.h>
#include <sys/mman.h>
#include "base/assert.h"

struct head {
    uint32_t size; /* of the whole, a multiple of 8; 0: the rest of the ring is empty */
    int32_t level, line, field_count;
    uint64_t ns;
};

enum { SIZE = ESI_LOG_RING_BYTES, KEPT_FOR_ERRORS = SIZE / 8, WORDS_MAX = 8, VALUE_BYTES = 2048 };

/* A string on its way in or out. */
struct word {
    const char *bytes;
    size_t length;
};

static size_t room_of(struct word word)
{
    return sizeof(uint32_t) + word.length + 1;
}

static struct word word_of(const char *string)
{
    return (struct word){string, string ? strlen(string) : 0};
}

static struct word word_of_text(const struct esi_text *text)
{
    return (struct word){text->bytes, text->length};
}

/* In the order in which they lie in a record. */
static void list_words(const struct esi_log_event *e, struct word words[WORDS_MAX])
{
    const struct word all[WORDS_MAX] = {word_of(e->code),
                                        word_of(e->file),
                                        {e->message, e->message_length},
                                        word_of_text(&e->who.node),
                                        word_of_text(&e->who.name),
                                        word_of_text(&e->who.pid),
                                        word_of_text(&e->who.label),
                                        word_of_text(&e->who.application)};
    memcpy(words, all, sizeof all);
}

static struct word value_of(const struct esi_log_field *field)
{
    return (struct word){field->value, field->length > VALUE_BYTES ? VALUE_BYTES : field->length};
}

/* How long it gets, and with how many of its fields. The words alone always fit. */
static size_t measure(const struct esi_log_event *e, const struct word words[WORDS_MAX], int *field_count)
{
    size_t size = sizeof(struct head);
    for (int i = 0; i < WORDS_MAX; i++)
        size += room_of(words[i]);
    for (*field_count = 0; *field_count < e->field_count; ++*field_count) {
        const struct esi_log_field *field = &e->fields[*field_count];
        size_t more = room_of(word_of(field->key)) + room_of(value_of(field));
        if (size + more > ESI_LOG_RECORD_BYTES - 8)
            break;
        size += more;
    }
    return (size + 7) & ~(size_t)7;
}

static char *put_word(char *to, struct word word)
{
    uint32_t length = (uint32_t)word.length;
    memcpy(to, &length, sizeof length);
    to += sizeof length;
    if (length)
        memcpy(to, word.bytes, length);
    to[length] = '\0';
    return to + length + 1;
}

/* Where `size` bytes in one piece begin. False: there is no room for them. */
static bool find_room(const struct esi_log_ring *ring, size_t size, int level, uint64_t *at)
{
    uint64_t to_the_end = SIZE - ring->end % SIZE;
    *at = size <= to_the_end ? ring->end : ring->end + to_the_end;
    uint64_t limit = level <= ESI_LOG_ERROR ? SIZE : SIZE - KEPT_FOR_ERRORS;
    return *at + size - ring->first <= limit;
}

static bool has_memory(struct esi_log_ring *ring)
{
    if (ring->bytes)
        return true;
    void *bytes = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        return false;
    ring->bytes = bytes;
    ring->first = ring->end = 0;
    return true;
}

static void put_record(struct esi_log_ring *ring, uint64_t at, size_t size, const struct esi_log_event *e,
                       const struct word words[WORDS_MAX], int field_count)
{
    char *to = ring->bytes + at % SIZE;
    struct head head = {(uint32_t)size, e->level, e->line, field_count, e->ns};
    if (at != ring->end)
        memset(ring->bytes + ring->end % SIZE, 0, sizeof head.size);
    memcpy(to, &head, sizeof head);
    to += sizeof head;
    for (int i = 0; i < WORDS_MAX; i++)
        to = put_word(to, words[i]);
    for (int i = 0; i < field_count; i++) {
        to = put_word(to, word_of(e->fields[i].key));
        to = put_word(to, value_of(&e->fields[i]));
    }
    ring->end = at + size;
}

bool esi_log_ring_push(struct esi_log_ring *ring, const struct esi_log_event *event)
{
    struct word words[WORDS_MAX];
    int field_count;
    uint64_t at;
    if (!has_memory(ring) || (ring->is_refusing && event->level > ESI_LOG_ERROR))
        return false;
    list_words(event, words);
    size_t size = measure(event, words, &field_count);
    if (!find_room(ring, size, event->level, &at)) {
        ring->is_refusing = true;
        return false;
    }
    put_record(ring, at, size, event, words, field_count);
    return true;
}

static const char *take_word(const char **from, size_t *out_length)
{
    uint32_t length;
    memcpy(&length, *from, sizeof length);
    const char *word = *from + sizeof length;
    *from = word + length + 1;
    *out_length = length;
    return word;
}

static struct esi_text take_text(const char **from)
{
    struct esi_text text = {.cut = false};
    text.bytes = (char *)(uintptr_t)take_word(from, &text.length);
    text.size = text.length + 1;
    return text;
}

/* NULL where nothing was said. */
static const char *take_string(const char **from)
{
    size_t length;
    const char *word = take_word(from, &length);
    return length ? word : NULL;
}

static void unpack(struct esi_log_record *out)
{
    struct head head;
    struct esi_log_event *e = &out->event;
    const char *from = out->bytes + sizeof head;
    memcpy(&head, out->bytes, sizeof head);
    *e = (struct esi_log_event){.ns = head.ns,
                                .level = head.level,
                                .line = head.line,
                                .fields = out->fields,
                                .field_count = head.field_count};
    e->code = take_string(&from);
    e->file = take_string(&from);
    e->message = take_word(&from, &e->message_length);
    e->who.node = take_text(&from);
    e->who.name = take_text(&from);
    e->who.pid = take_text(&from);
    e->who.label = take_text(&from);
    e->who.application = take_text(&from);
    for (int i = 0; i < e->field_count; i++) {
        size_t ignored;
        out->fields[i].key = take_word(&from, &ignored);
        out->fields[i].value = take_word(&from, &out->fields[i].length);
    }
}

bool esi_log_ring_take(struct esi_log_ring *ring, struct esi_log_record *out)
{
    uint32_t size = 0;
    if (esi_log_ring_is_empty(ring))
        return false;
    memcpy(&size, ring->bytes + ring->first % SIZE, sizeof size);
    if (size == 0) {
        ring->first += SIZE - ring->first % SIZE;
        memcpy(&size, ring->bytes + ring->first % SIZE, sizeof size);
    }
    esi_assert(size <= sizeof out->bytes);
    memcpy(out->bytes, ring->bytes + ring->first % SIZE, size);
    ring->first += size;
    if (esi_log_ring_is_empty(ring))
        ring->first = ring->end = 0; /* so it uses no more of its memory than has ever waited */
    if (ring->end - ring->first <= SIZE / 2)
        ring->is_refusing = false;
    unpack(out);
    return true;
}

void esi_log_ring_free(struct esi_log_ring *ring)
{
    if (ring->bytes)
        munmap(ring->bytes, SIZE);
    *ring = (struct esi_log_ring){.bytes = NULL};
}
