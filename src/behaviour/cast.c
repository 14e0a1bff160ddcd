/* cast.c - a message that asks for no answer. */
#include <engset/behaviour.h>
#include "proc/mailbox/send.h"

es_err esi_cast(es_term to, es_term message)
{
    es_pid pid;
    if (es_get_pid(to, &pid))
        return esi_send_tagged(pid, es_am_gen_cast, message);
    es_err error = esi_send_term(to, es_lend(ES_TUPLE(es_am_gen_cast, message)));
    return error == ES_ENAME ? ES_OK : error; /* whoever is there or not, as OTP's */
}
