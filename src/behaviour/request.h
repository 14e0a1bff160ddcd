/* behaviour/request.h - what requests and sets of them share. */
#ifndef BEHAVIOUR_REQUEST_H
#define BEHAVIOUR_REQUEST_H

#include <engset/request.h>

/* No answer to it comes into the mailbox from here on. One may be there. Process only. */
void esi_request_abandon(es_request request);

#endif
