/* platform/sim/file.c - see file.h and, for the poller's half, platform/sim.h. */
#include "platform/sim/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/assert.h"
#include "platform/os.h"
#include "platform/sim.h"
#include "platform/strike.h"

/* A number. What watches it knows the number, not the file, as in epoll. */
struct entry {
    int fd;
    struct esi_sim_file *file;
    struct esi_list in_numbers; /* of the file */
    struct esi_list in_ready;   /* of those that the poller is to look at */
    struct esi_poller *poller;  /* NULL: not watched */
    void *tag;
    uint32_t interest; /* 0: told already, and silent */
};

static struct {
    struct entry **entries; /* by number; NULL: not ours */
    int room;
    int placeholder; /* what all numbers are duplicates of */
    struct esi_list ready;
    int ready_count;
} table = {.placeholder = -1};

int esi_sim_fails(int code)
{
    errno = code;
    return -1;
}

/* ---------------------------------------------------------------- files */

void esi_sim_file_init(struct esi_sim_file *file, const struct esi_sim_kind *kind, int flags)
{
    file->kind = kind;
    file->refs = 0;
    file->flags = flags;
    file->id = esi_sim_number();
    esi_list_init(&file->numbers);
}

void esi_sim_unref(struct esi_sim_file *file)
{
    esi_assert(file->refs > 0);
    if (--file->refs == 0)
        file->kind->close(file);
}

/* ---------------------------------------------------------------- numbers */

static struct entry *find(int fd)
{
    return fd >= 0 && fd < table.room ? table.entries[fd] : NULL;
}

bool esi_sim_owns(int fd)
{
    return find(fd) != NULL;
}

struct esi_sim_file *esi_sim_file_of(int fd)
{
    struct entry *e = find(fd);
    return e ? e->file : NULL;
}

static void forget_ready(struct entry *e)
{
    if (esi_list_is_linked(&e->in_ready))
        table.ready_count--;
    esi_list_remove(&e->in_ready);
}

static void drop_entry(struct entry *e)
{
    struct esi_sim_file *file = e->file;
    forget_ready(e);
    esi_list_remove(&e->in_numbers);
    table.entries[e->fd] = NULL;
    esi_free(e);
    esi_sim_unref(file);
}

static bool make_room(int fd)
{
    if (fd < table.room)
        return true;
    int room = fd < 64 ? 128 : 2 * fd;
    struct entry **larger = esi_realloc(table.entries, (size_t)room * sizeof *larger);
    if (!larger)
        return false;
    for (int i = table.room; i < room; i++)
        larger[i] = NULL;
    table.entries = larger;
    table.room = room;
    return true;
}

static struct entry *new_entry(int fd)
{
    if (!make_room(fd))
        return NULL;
    if (table.entries[fd]) /* close(2) behind our back */
        drop_entry(table.entries[fd]);
    struct entry *e = esi_alloc_zeroed(1, sizeof *e);
    if (!e)
        return NULL;
    e->fd = fd;
    esi_list_init(&e->in_ready);
    table.entries[fd] = e;
    return e;
}

int esi_sim_install(struct esi_sim_file *file, int least)
{
    if (esi_strikes(ESI_STRIKE_NO_DESCRIPTOR))
        return esi_sim_fails(EMFILE);
    int fd = fcntl(table.placeholder, F_DUPFD_CLOEXEC, least);
    if (fd < 0)
        return -1;
    struct entry *e = new_entry(fd);
    if (!e) {
        close(fd);
        return esi_sim_fails(ENOMEM);
    }
    e->file = file;
    esi_sim_ref(file);
    esi_list_push_back(&file->numbers, &e->in_numbers);
    return fd;
}

int esi_sim_close(int fd)
{
    struct entry *e = find(fd);
    int result = close(fd);
    if (e)
        drop_entry(e);
    return result;
}

int esi_sim_duplicate(int fd)
{
    struct esi_sim_file *file = esi_sim_file_of(fd);
    return file ? esi_sim_install(file, 3) : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

int esi_sim_flags(int fd)
{
    struct esi_sim_file *file = esi_sim_file_of(fd);
    return file ? file->flags : fcntl(fd, F_GETFL);
}

/* ---------------------------------------------------------------- reading and writing, whatever it is */

ssize_t esi_sim_read(int fd, void *buffer, size_t size)
{
    struct esi_sim_file *file = esi_sim_file_of(fd);
    if (!file)
        return read(fd, buffer, size);
    return file->kind->read ? file->kind->read(file, buffer, size, 0) : esi_sim_fails(EINVAL);
}

ssize_t esi_sim_writev(int fd, const struct iovec *pieces, int count)
{
    struct esi_sim_file *file = esi_sim_file_of(fd);
    if (!file)
        return writev(fd, pieces, count);
    return file->kind->write ? file->kind->write(file, pieces, count) : esi_sim_fails(EINVAL);
}

ssize_t esi_sim_write(int fd, const void *data, size_t size)
{
    return esi_sim_writev(fd, &(struct iovec){(void *)(uintptr_t)data, size}, 1);
}

static uint32_t ready_of(const struct esi_sim_file *file)
{
    return file->kind->ready ? file->kind->ready(file) : ESI_POLL_IN | ESI_POLL_OUT;
}

static short poll_one(struct pollfd *one)
{
    struct esi_sim_file *file = esi_sim_file_of(one->fd);
    if (!file) {
        poll(one, 1, 0);
        return one->revents;
    }
    uint32_t ready = ready_of(file);
    int events = (ready & ESI_POLL_IN ? POLLIN : 0) | (ready & ESI_POLL_OUT ? POLLOUT : 0);
    events &= one->events;
    events |= (ready & ESI_POLL_ERROR ? POLLERR : 0) | (ready & ESI_POLL_HANGUP ? POLLHUP : 0);
    return (short)events;
}

/* Only looks: a simulated machine does not wait in a call. */
int esi_sim_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    int ready = 0;
    (void)timeout_ms;
    for (nfds_t i = 0; i < count; i++) {
        fds[i].revents = poll_one(&fds[i]);
        ready += fds[i].revents != 0;
    }
    return ready;
}

/* ---------------------------------------------------------------- the poller's half */

/* Does it concern who watches? Edges are told of whatever they are. */
static uint32_t events_of(const struct entry *e)
{
    if (!e->poller || !e->interest)
        return 0;
    uint32_t ready = ready_of(e->file);
    if (e->interest & ESI_POLL_EDGE)
        return ready;
    uint32_t always = ESI_POLL_ERROR | ESI_POLL_HANGUP;
    return ready & (e->interest | always) ? ready & (e->interest | always | ESI_POLL_STAYS) : 0;
}

static void look_at(struct entry *e)
{
    if (esi_list_is_linked(&e->in_ready) || !events_of(e))
        return;
    esi_list_push_back(&table.ready, &e->in_ready);
    table.ready_count++;
}

void esi_sim_changed(struct esi_sim_file *file)
{
    ESI_LIST_EACH(it, &file->numbers)
    look_at(ESI_CONTAINER_OF(it, struct entry, in_numbers));
}

es_err esi_sim_watch(struct esi_poller *poller, int fd, uint32_t interest, void *tag, bool is_new)
{
    struct entry *e = find(fd);
    if (!e->file->kind->ready)
        return ES_EINVAL; /* always ready, as a plain file */
    if (is_new == (e->poller != NULL))
        return is_new ? ES_EEXIST : ES_ENOTFOUND;
    forget_ready(e);
    e->poller = poller;
    e->tag = tag;
    e->interest = interest;
    look_at(e);
    return ES_OK;
}

void esi_sim_unwatch(struct esi_poller *poller, int fd)
{
    struct entry *e = find(fd);
    if (e->poller != poller)
        return;
    e->poller = NULL;
    forget_ready(e);
}

/* One of the first that are ready, drawn. */
static struct entry *draw_ready(void)
{
    enum { CHOICE = 16 };
    uint64_t skip = esi_sim_draw(table.ready_count < CHOICE ? (uint64_t)table.ready_count : CHOICE);
    struct esi_list *it = table.ready.next;
    while (skip-- > 0)
        it = it->next;
    return ESI_CONTAINER_OF(it, struct entry, in_ready);
}

int esi_sim_events(struct esi_poller *poller, struct esi_poll_event *events, int max)
{
    int count = 0;
    while (count < max && table.ready_count > 0) {
        struct entry *e = draw_ready();
        forget_ready(e);
        uint32_t ready = e->poller == poller ? events_of(e) : 0;
        if (!ready)
            continue; /* it is over meanwhile */
        if (!(e->interest & ESI_POLL_EDGE))
            e->interest = 0;
        events[count++] = (struct esi_poll_event){e->tag, ready};
        esi_sim_note(e->file->id << 8 | ready);
    }
    return count;
}

/* ---------------------------------------------------------------- the beginning and the end */

void esi_sim_descriptors_open(void)
{
    esi_list_init(&table.ready);
    table.ready_count = 0;
    table.placeholder = open("/", O_PATH | O_CLOEXEC);
    esi_assert(table.placeholder >= 0);
}

void esi_sim_descriptors_close(void)
{
    for (int fd = 0; fd < table.room; fd++)
        if (table.entries[fd])
            (void)esi_sim_close(fd);
    esi_free(table.entries);
    table.entries = NULL;
    table.room = 0;
    close(table.placeholder);
    table.placeholder = -1;
}
