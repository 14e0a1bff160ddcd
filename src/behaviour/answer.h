/* behaviour/answer.h - what an es_answer says; see engset/behaviour.h for what makes one. */
#ifndef BEHAVIOUR_ANSWER_H
#define BEHAVIOUR_ANSWER_H

#include <engset/behaviour.h>

/* 0 is none of them: what a callback gives that was never made. */
enum esi_answer_what {
    ESI_ANSWER_OK = 1,
    ESI_ANSWER_REPLIED,
    ESI_ANSWER_IGNORE,
    ESI_ANSWER_STOP,
    ESI_ANSWER_STOP_REPLY,
    ESI_ANSWER_UNKNOWN,
    ESI_ANSWERS
};

enum esi_answer_then {
    ESI_THEN_NOTHING,
    ESI_THEN_TIMEOUT,
    ESI_THEN_HIBERNATE,
    ESI_THEN_CONTINUE,
    ESI_THEN_REMOVE, /* event handlers: it goes */
    ESI_THEN_SWAP    /* event handlers: another takes its place; `reply` is {OldArgs, Which, Args}, its own */
};

#endif
