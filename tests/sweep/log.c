/* log.c - the sweep over engset/logger.h: who speaks needs no memory, who adds a handler may. */
#include "sweep.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "base/log.h"

static bool is_there(const char *id)
{
    es_log_counts counts;
    return es_log_handler_counts(id, &counts) == ES_OK;
}

static int nowhere = -1; /* /dev/null, open all the time */

SWEEP(es_log_is_on, TAKES_NOTHING)
{
    EXPECT(TRY(es_log_is_on(ES_LOG_ERROR)));
}

SWEEP(esi_log_say, TAKES_NOTHING)
{
    EXPECT(es_log_add_descriptor("null", ES_LOG_ERROR, ES_LOG_JSON, nowhere) == ES_OK);
    TRY_VOID(esi_log_say(ES_LOG_ERROR, "file", 1, ES_LOG_FIELDS({"k", "v"}), 1, "%d", 7));
    EXPECT(es_log_remove_handler("null") == ES_OK);
}

SWEEP(es_log_metadata, 0)
{
    went_well(TRY(es_log_metadata("key", "value")));
    EXPECT(es_log_metadata("key", "value") == ES_OK);
}

SWEEP(es_sensitive, TAKES_NOTHING)
{
    EXPECT(!TRY(es_sensitive(true)));
    EXPECT(es_sensitive(false));
}

SWEEP(es_log_set_level, TAKES_NOTHING)
{
    es_log_level before = TRY(es_log_set_level(ES_LOG_DEBUG));
    EXPECT(es_log_set_level(before) == ES_LOG_DEBUG);
}

SWEEP(es_log_add_descriptor, TAKES_NOTHING)
{
    EXPECT(TRY(es_log_add_descriptor("null", ES_LOG_ERROR, ES_LOG_TEXT, nowhere)) == ES_OK);
    EXPECT(es_log_remove_handler("null") == ES_OK);
}

SWEEP(es_log_add_file, TAKES_NOTHING)
{
    EXPECT(TRY(es_log_add_file("null", ES_LOG_ERROR, ES_LOG_TEXT, "/dev/null")) == ES_OK);
    EXPECT(es_log_remove_handler("null") == ES_OK);
}

SWEEP(es_log_add_journal, TAKES_NOTHING)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/engset-sweep-%ld", (long)getpid());
    int journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    EXPECT(bind(journal, (struct sockaddr *)&address, sizeof address) == 0);
    EXPECT(TRY(es_log_add_journal("journal", ES_LOG_ERROR, address.sun_path)) == ES_OK);
    EXPECT(es_log_remove_handler("journal") == ES_OK);
    close(journal);
    unlink(address.sun_path);
}

static es_err hears(const es_log_event *event, void *state)
{
    (void)event, (void)state;
    return ES_OK;
}

SWEEP(es_log_add_handler, AT_TIMES)
{
    es_err error = TRY(es_log_add_handler("function", ES_LOG_ERROR, hears, NULL));
    went_well(error);
    EXPECT(is_there("function") == (error == ES_OK));
    (void)es_log_remove_handler("function");
    EXPECT(es_log_add_handler("function", ES_LOG_ERROR, hears, NULL) == ES_OK);
    EXPECT(es_log_remove_handler("function") == ES_OK);
}

SWEEP(es_log_remove_handler, AT_TIMES)
{
    EXPECT(es_log_add_handler("function", ES_LOG_ERROR, hears, NULL) == ES_OK);
    EXPECT(TRY(es_log_remove_handler("function")) == ES_OK);
    EXPECT(!is_there("function"));
}

SWEEP(es_log_handler_counts, TAKES_NOTHING)
{
    es_log_counts counts;
    EXPECT(TRY(es_log_handler_counts("none", &counts)) == ES_ENOTFOUND);
}

SWEEP(es_log_flush, TAKES_NOTHING)
{
    EXPECT(TRY(es_log_flush(20000)) == ES_OK);
}

int main(int argc, char **argv)
{
    nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    es_log_remove_handler("default");
    return sweep_all(argc, argv);
}
