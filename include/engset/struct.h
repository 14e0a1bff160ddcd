/* engset/struct.h - C structs as messages.
 *
 *     typedef struct { uint32_t length; uint8_t bytes[1500]; } frame;
 *     ES_STRUCT(frame, length, bytes);       // its tuple form is {frame, Length, Bytes}
 *
 * The fields are named in the order of the struct, all of them; the types come from the compiler. What a field is
 * in the tuple, and what it accepts when a tuple becomes the struct:
 *
 *   integers              integer; ES_ERANGE if it does not fit
 *   bool                  true, false
 *   float, double         float; an integer is accepted if the double holds it exactly
 *   es_atom, es_pid       atom, pid. A zeroed es_atom is 'undefined', a zeroed es_pid is the atom 'none'
 *   char[N]               binary: the bytes before the first NUL, at most N; at most N - 1 bytes are accepted, none of
 *                         them NUL, and the rest of the array becomes 0
 *   uint8_t[N]            binary of all N bytes; N or fewer are accepted, the rest of the array becomes 0
 *   other arrays          list of N elements; exactly N are accepted
 *
 * Pointers, structs in structs, and arrays of arrays are refused by the compiler: a message shares nothing.
 *
 * Not here: making one and giving it away (es_new, es_give), receiving one (es_case_struct). C only. */
#ifndef ENGSET_STRUCT_H
#define ENGSET_STRUCT_H

#include <engset/term.h>
#include <engset/each.h>
#include <engset/strict.h>

ES_BEGIN_DECLS

enum {
    ESI_FIELD_I8 = 1,
    ESI_FIELD_I16,
    ESI_FIELD_I32,
    ESI_FIELD_I64,
    ESI_FIELD_U8,
    ESI_FIELD_U16,
    ESI_FIELD_U32,
    ESI_FIELD_U64,
    ESI_FIELD_CHAR,
    ESI_FIELD_BOOL,
    ESI_FIELD_FLOAT,
    ESI_FIELD_DOUBLE,
    ESI_FIELD_ATOM,
    ESI_FIELD_PID,
    ESI_FIELD_ARRAY = 32 /* added to the kind of an element */
};

/* One field: its place in the struct, the size of the whole of it, and one of ESI_FIELD_. */
struct es_struct_field {
    const char *name;
    uint32_t offset;
    uint32_t size;
    uint32_t kind;
};

/* A struct that can be a message. Two of them with the same name, size and fields mean the same struct: a header
 * that is included twice makes two. `atom` is a cache of the name's atom, filled when it is first asked for. */
struct es_struct_descriptor {
    const char *name;
    size_t size;
    uint32_t field_count;
    const struct es_struct_field *fields;
    es_atom *atom;
};

ES_END_DECLS

#ifndef __cplusplus

/* Declares that T, a typedef of a struct, can be a message; at file scope, with all its fields in order (at most 32). */
#define ES_STRUCT(T, ...)                                                                                  \
    struct T##_twin {                                                                                      \
        ESI_EACH(ESI_FIELD_TWIN, T, __VA_ARGS__)                                                           \
    };                                                                                                     \
    ESI_EACH(ESI_FIELD_CHECK, T, __VA_ARGS__)                                                              \
    _Static_assert(sizeof(T) == sizeof(struct T##_twin),                                                   \
                   "ES_STRUCT(" #T "): a field is missing at the end");                                    \
    ESI_STRUCT_COUNT(T, __VA_ARGS__)                                                                       \
    static es_atom T##_atom_of_ES_STRUCT;                                                                  \
    static const struct es_struct_field T##_fields_of_ES_STRUCT[] = {ESI_EACH(ESI_FIELD, T, __VA_ARGS__)}; \
    static const struct es_struct_descriptor T##_has_no_ES_STRUCT __attribute__((unused)) = {              \
        #T, sizeof(T), ESI_COUNT(__VA_ARGS__), T##_fields_of_ES_STRUCT, &T##_atom_of_ES_STRUCT}

#define ESI_FIELD_TWIN(T, field) __typeof__(((T *)0)->field) field;
#define ESI_FIELD_CHECK(T, field)                                                                      \
    _Static_assert(offsetof(T, field) == offsetof(struct T##_twin, field),                             \
                   "ES_STRUCT(" #T "): a field before '" #field "' is missing, or the order differs"); \
    _Static_assert(ESI_NO_POINTER(&((T *)0)->field), "ES_STRUCT(" #T "): '" #field "' is a pointer");
#define ESI_FIELD(T, field)                                                   \
    {#field, (uint32_t)offsetof(T, field), (uint32_t)sizeof(((T *)0)->field), \
     ESI_FIELD_KIND(((T *)0)->field)},

/* clang counts initialisers: a forgotten field that fits into padding shows there and nowhere else. */
#if defined(__clang__)
#define ESI_STRUCT_COUNT(T, ...)                                                                         \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic error \"-Wmissing-field-initializers\"")      \
        _Pragma("GCC diagnostic ignored \"-Wmissing-braces\"")                                           \
            _Pragma("GCC diagnostic ignored \"-Wbraced-scalar-init\"") static const T T##_misses_a_field \
        __attribute__((unused)) = {ESI_EACH(ESI_FIELD_ZERO, T, __VA_ARGS__)};                            \
    _Pragma("GCC diagnostic pop")
#define ESI_FIELD_ZERO(T, field) {0},
#else
#define ESI_STRUCT_COUNT(T, ...)
#endif

/* An array's name decays to a pointer to its element, as a pointer's does; their addresses tell them apart. */
#define ESI_FIELD_KIND(field)                                                                          \
    _Generic((field), ESI_FIELD_TYPE(signed char, ESI_FIELD_I8), ESI_FIELD_TYPE(short, ESI_FIELD_I16), \
             ESI_FIELD_TYPE(int, ESI_FIELD_I32), ESI_FIELD_TYPE(long, ESI_FIELD_I64),                  \
             ESI_FIELD_TYPE(long long, ESI_FIELD_I64), ESI_FIELD_TYPE(unsigned char, ESI_FIELD_U8),    \
             ESI_FIELD_TYPE(unsigned short, ESI_FIELD_U16), ESI_FIELD_TYPE(unsigned, ESI_FIELD_U32),   \
             ESI_FIELD_TYPE(unsigned long, ESI_FIELD_U64),                                             \
             ESI_FIELD_TYPE(unsigned long long, ESI_FIELD_U64), ESI_FIELD_TYPE(char, ESI_FIELD_CHAR),  \
             ESI_FIELD_TYPE(_Bool, ESI_FIELD_BOOL), ESI_FIELD_TYPE(float, ESI_FIELD_FLOAT),            \
             ESI_FIELD_TYPE(double, ESI_FIELD_DOUBLE), ESI_FIELD_TYPE(es_atom, ESI_FIELD_ATOM),        \
             ESI_FIELD_TYPE(es_pid, ESI_FIELD_PID))
#define ESI_FIELD_TYPE(type, kind) \
    type:                          \
    (kind), type * : (kind) + ESI_FIELD_ARRAY
#define ESI_NO_POINTER(address)                                                                      \
    _Generic((address), signed char ** : 0, short ** : 0, int ** : 0, long ** : 0, long long ** : 0, \
             unsigned char ** : 0, unsigned short ** : 0, unsigned ** : 0, unsigned long ** : 0,     \
             unsigned long long ** : 0, char ** : 0, _Bool ** : 0, float ** : 0, double ** : 0,      \
             es_atom ** : 0, es_pid ** : 0, default : 1)

#endif /* __cplusplus */
#endif
