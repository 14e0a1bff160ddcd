/* port/sigpipe.h - a write to a pipe that nobody reads is an error, not the end of the node. */
#ifndef PORT_SIGPIPE_H
#define PORT_SIGPIPE_H

/* From here on SIGPIPE does nothing, unless the program said what it shall do. Any thread; cheap after the first time. */
void esi_sigpipe_tame(void);

#endif
