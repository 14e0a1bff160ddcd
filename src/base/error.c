/* base/error.c - errors in words, and the version. */
#include <engset/base.h>

static const struct {
    const char *name, *words;
} errors[] = {
    [-ES_OK] = {"ES_OK", "no error"},
    [-ES_ENOMEM] = {"ES_ENOMEM", "no memory"},
    [-ES_ENOPROC] = {"ES_ENOPROC", "not called from a process, or no such process"},
    [-ES_ENAME] = {"ES_ENAME", "nobody has that name"},
    [-ES_ETAKEN] = {"ES_ETAKEN", "the name is taken, or the process has one already"},
    [-ES_ELIMIT] = {"ES_ELIMIT", "a table or a limit is full"},
    [-ES_ETIMEOUT] = {"ES_ETIMEOUT", "the time is over"},
    [-ES_ECLOSED] = {"ES_ECLOSED", "it is closed, or the other side ended"},
    [-ES_EINVAL] = {"ES_EINVAL", "an argument that makes no sense here"},
    [-ES_ESYNTAX] = {"ES_ESYNTAX", "text that is no term"},
    [-ES_EDEADLK] = {"ES_EDEADLK", "waiting would close a circle"},
    [-ES_ERANGE] = {"ES_ERANGE", "a number does not fit"},
    [-ES_EOS] = {"ES_EOS", "the operating system refused"},
    [-ES_EEXIST] = {"ES_EEXIST", "it is there already"},
    [-ES_ENOTFOUND] = {"ES_ENOTFOUND", "it is not there"},
    [-ES_EFULL] = {"ES_EFULL", "the receiver's mailbox is full"},
    [-ES_ETRUNCATED] = {"ES_ETRUNCATED", "the other side ended without saying that it does"},
    [-ES_EPROTO] = {"ES_EPROTO", "the other side does not keep to the protocol, or the two cannot agree"},
    [-ES_EAUTH] = {"ES_EAUTH", "the other side did not prove who it is"},
    [-ES_EIGNORE] = {"ES_EIGNORE", "the process that was started did not want to run"},
    [-ES_EBUSY] = {"ES_EBUSY", "just now it cannot be"},
};

static bool is_known(es_err error)
{
    return error <= 0 && error > -(int)(sizeof errors / sizeof *errors) && errors[-error].name;
}

const char *es_err_name(es_err error)
{
    return is_known(error) ? errors[-error].name : "ES_UNKNOWN";
}

const char *es_strerror(es_err error)
{
    return is_known(error) ? errors[-error].words : "unknown error";
}

int es_version(void)
{
    return ES_VERSION_NUMBER;
}
