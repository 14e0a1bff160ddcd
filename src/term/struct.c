/* struct.c - struct messages as tuples and back. */
#include "term/struct.h"

#include <stdatomic.h>
#include "term/build.h"
#include "term/tag.h"

#define none_pid es_am_none

static const uint8_t element_sizes[] = {[ESI_FIELD_I8] = 1,    [ESI_FIELD_I16] = 2,
                                        [ESI_FIELD_I32] = 4,   [ESI_FIELD_I64] = 8,
                                        [ESI_FIELD_U8] = 1,    [ESI_FIELD_U16] = 2,
                                        [ESI_FIELD_U32] = 4,   [ESI_FIELD_U64] = 8,
                                        [ESI_FIELD_CHAR] = 1,  [ESI_FIELD_BOOL] = 1,
                                        [ESI_FIELD_FLOAT] = 4, [ESI_FIELD_DOUBLE] = 8,
                                        [ESI_FIELD_ATOM] = 8,  [ESI_FIELD_PID] = sizeof(es_pid)};

es_err esi_struct_atom(const struct es_struct_descriptor *type, es_atom *out)
{
    /* relaxed: everybody who writes here writes the same word. */
    es_atom atom = {__atomic_load_n(&type->atom->w, __ATOMIC_RELAXED)};
    es_err err = ES_OK;
    if (atom.w == 0) {
        err = es_atom_make(type->name, strlen(type->name), &atom);
        if (err != ES_OK)
            return err;
        __atomic_store_n(&type->atom->w, atom.w, __ATOMIC_RELAXED);
    }
    *out = atom;
    return err;
}

bool esi_struct_is_same(const struct es_struct_descriptor *a, const struct es_struct_descriptor *b)
{
    if (a == b)
        return true;
    if (a->size != b->size || a->field_count != b->field_count || strcmp(a->name, b->name) != 0)
        return false;
    for (uint32_t i = 0; i < a->field_count; i++) {
        const struct es_struct_field *x = &a->fields[i], *y = &b->fields[i];
        if (x->offset != y->offset || x->size != y->size || x->kind != y->kind ||
            strcmp(x->name, y->name) != 0)
            return false;
    }
    return true;
}

uint32_t esi_struct_tag(const struct es_struct_descriptor *type)
{
    es_atom atom;
    return esi_struct_atom(type, &atom) == ES_OK ? esi_tuple_tag(1 + (uint64_t)type->field_count, atom)
                                                 : ESI_TAG_OTHER;
}

static bool is_bytes(const struct es_struct_field *field)
{
    return field->kind == ESI_FIELD_CHAR + ESI_FIELD_ARRAY || field->kind == ESI_FIELD_U8 + ESI_FIELD_ARRAY;
}

static const uint8_t *place(const void *object, const struct es_struct_field *field)
{
    return (const uint8_t *)object + field->offset;
}

static size_t bytes_in(const struct es_struct_field *field, const uint8_t *at)
{
    return field->kind == ESI_FIELD_U8 + ESI_FIELD_ARRAY ? field->size
                                                         : strnlen((const char *)at, field->size);
}

/* ---- to a tuple ---- */

static int64_t read_signed(unsigned kind, const uint8_t *at)
{
    int16_t two;
    int32_t four;
    int64_t eight;
    switch (kind) {
    case ESI_FIELD_I8:
        return (int8_t)*at;
    case ESI_FIELD_I16:
        memcpy(&two, at, sizeof two);
        return two;
    case ESI_FIELD_I32:
        memcpy(&four, at, sizeof four);
        return four;
    default:
        memcpy(&eight, at, sizeof eight);
        return eight;
    }
}

static uint64_t read_unsigned(unsigned kind, const uint8_t *at)
{
    uint16_t two;
    uint32_t four;
    uint64_t eight;
    switch (kind) {
    case ESI_FIELD_U8:
        return *at;
    case ESI_FIELD_U16:
        memcpy(&two, at, sizeof two);
        return two;
    case ESI_FIELD_U32:
        memcpy(&four, at, sizeof four);
        return four;
    default:
        memcpy(&eight, at, sizeof eight);
        return eight;
    }
}

static double read_double(unsigned kind, const uint8_t *at)
{
    float four;
    double eight;
    if (kind == ESI_FIELD_FLOAT) {
        memcpy(&four, at, sizeof four);
        return four;
    }
    memcpy(&eight, at, sizeof eight);
    return eight;
}

static es_term put_pid(uint64_t **to, const uint8_t *at)
{
    es_pid pid;
    memcpy(&pid, at, sizeof pid);
    return es_pid_is_none(pid) ? es_from_atom(none_pid) : esi_put_pid(to, pid);
}

static es_term put_atom(const uint8_t *at)
{
    es_atom atom;
    memcpy(&atom, at, sizeof atom);
    return es_from_atom(atom.w == 0 ? es_am_undefined : atom);
}

/* Erlang has no infinity and no NaN. */
static es_term put_double(uint64_t **to, double value)
{
    return __builtin_isfinite(value) ? esi_put_double(to, value) : es_none();
}

static es_term put_element(uint64_t **to, unsigned kind, const uint8_t *at)
{
    switch (kind) {
    case ESI_FIELD_I8:
    case ESI_FIELD_I16:
    case ESI_FIELD_I32:
    case ESI_FIELD_I64:
        return esi_put_int64(to, read_signed(kind, at));
    case ESI_FIELD_CHAR:
        return esi_put_int64(to, *(const char *)at);
    case ESI_FIELD_BOOL:
        return esi_bool_term(*at != 0);
    case ESI_FIELD_FLOAT:
    case ESI_FIELD_DOUBLE:
        return put_double(to, read_double(kind, at));
    case ESI_FIELD_ATOM:
        return put_atom(at);
    case ESI_FIELD_PID:
        return put_pid(to, at);
    default:
        return esi_put_uint64(to, read_unsigned(kind, at));
    }
}

static size_t element_words(unsigned kind, const uint8_t *at)
{
    uint64_t scratch[4], *end = scratch;
    put_element(&end, kind, at);
    return (size_t)(end - scratch);
}

size_t esi_struct_measure(const struct es_struct_descriptor *type, const void *object)
{
    size_t words = 2 + (size_t)type->field_count;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct es_struct_field *field = &type->fields[i];
        const uint8_t *at = place(object, field);
        unsigned kind = field->kind & (ESI_FIELD_ARRAY - 1);
        if (is_bytes(field)) {
            words += esi_bits_words(8 * (uint64_t)bytes_in(field, at));
        } else if (field->kind < ESI_FIELD_ARRAY) {
            words += element_words(kind, at);
        } else {
            for (size_t offset = 0; offset < field->size; offset += element_sizes[kind])
                words += 2 + element_words(kind, at + offset);
        }
    }
    return words;
}

static es_term put_list(uint64_t **to, const struct es_struct_field *field, const uint8_t *at)
{
    unsigned kind = field->kind - ESI_FIELD_ARRAY;
    es_term list = es_nil();
    for (size_t left = field->size; left > 0; left -= element_sizes[kind]) {
        es_term element = put_element(to, kind, at + left - element_sizes[kind]);
        if (es_is_none(element))
            return element;
        list = esi_put_cons(to, element, list);
    }
    return list;
}

es_term esi_struct_to_term(const struct es_struct_descriptor *type, const void *object, uint64_t *to,
                           struct esi_offheap **chain)
{
    struct esi_offheap *const before = *chain;
    uint64_t *elements;
    es_term tuple;
    es_atom name;
    if (esi_struct_atom(type, &name) != ES_OK)
        return es_none();
    tuple = esi_put_tuple(&to, 1 + (uint64_t)type->field_count, &elements);
    elements[0] = name.w;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct es_struct_field *field = &type->fields[i];
        const uint8_t *at = place(object, field);
        es_term term;
        if (is_bytes(field))
            term = esi_put_bits(&to, at, 8 * (uint64_t)bytes_in(field, at), chain);
        else if (field->kind < ESI_FIELD_ARRAY)
            term = put_element(&to, field->kind, at);
        else
            term = put_list(&to, field, at);
        if (es_is_none(term))
            goto release;
        elements[1 + i] = term.w;
    }
    return tuple;
release:
    while (*chain != before) {
        struct esi_offheap *box = *chain;
        *chain = box->next;
        esi_shared_unref(box->shared);
    }
    return es_none();
}

/* ---- from a tuple ---- */

static es_err take_signed(es_term term, unsigned kind, uint8_t *at)
{
    int64_t value;
    unsigned bits = 8u * element_sizes[kind];
    if (!es_get_int64(term, &value))
        return es_is_integer(term) ? ES_ERANGE : ES_EINVAL;
    if (bits < 64 && (value < -((int64_t)1 << (bits - 1)) || value >= (int64_t)1 << (bits - 1)))
        return ES_ERANGE;
    switch (bits) {
    case 8:
        memcpy(at, &(int8_t){(int8_t)value}, 1);
        break;
    case 16:
        memcpy(at, &(int16_t){(int16_t)value}, 2);
        break;
    case 32:
        memcpy(at, &(int32_t){(int32_t)value}, 4);
        break;
    default:
        memcpy(at, &value, 8);
    }
    return ES_OK;
}

static es_err take_unsigned(es_term term, unsigned kind, uint8_t *at)
{
    uint64_t value;
    unsigned bits = 8u * element_sizes[kind];
    if (!es_get_uint64(term, &value))
        return es_is_integer(term) ? ES_ERANGE : ES_EINVAL;
    if (bits < 64 && value >> bits != 0)
        return ES_ERANGE;
    switch (bits) {
    case 8:
        memcpy(at, &(uint8_t){(uint8_t)value}, 1);
        break;
    case 16:
        memcpy(at, &(uint16_t){(uint16_t)value}, 2);
        break;
    case 32:
        memcpy(at, &(uint32_t){(uint32_t)value}, 4);
        break;
    default:
        memcpy(at, &value, 8);
    }
    return ES_OK;
}

/* A char is signed on one machine and not on the other. */
static es_err take_char(es_term term, uint8_t *at)
{
    return (char)-1 < 0 ? take_signed(term, ESI_FIELD_I8, at) : take_unsigned(term, ESI_FIELD_U8, at);
}

static es_err take_double(es_term term, unsigned kind, uint8_t *at)
{
    double value;
    int64_t whole;
    float narrow;
    if (!es_get_double(term, &value)) {
        if (!es_is_integer(term))
            return ES_EINVAL;
        if (!es_get_int64(term, &whole) || whole < -((int64_t)1 << 53) || whole > (int64_t)1 << 53)
            return ES_ERANGE;
        value = (double)whole;
    }
    if (kind == ESI_FIELD_DOUBLE) {
        memcpy(at, &value, sizeof value);
        return ES_OK;
    }
    if (value > (double)__FLT_MAX__ || value < -(double)__FLT_MAX__)
        return ES_ERANGE;
    narrow = (float)value;
    memcpy(at, &narrow, sizeof narrow);
    return ES_OK;
}

static es_err take_pid(es_term term, uint8_t *at)
{
    es_pid pid = {0, 0, 0};
    if (!es_get_pid(term, &pid) && !es_is(term, none_pid))
        return ES_EINVAL;
    memcpy(at, &pid, sizeof pid);
    return ES_OK;
}

static es_err take_bool(es_term term, uint8_t *at)
{
    bool value;
    if (!es_get_bool(term, &value))
        return ES_EINVAL;
    memcpy(at, &value, sizeof value);
    return ES_OK;
}

static es_err take_element(es_term term, unsigned kind, uint8_t *at)
{
    switch (kind) {
    case ESI_FIELD_I8:
    case ESI_FIELD_I16:
    case ESI_FIELD_I32:
    case ESI_FIELD_I64:
        return take_signed(term, kind, at);
    case ESI_FIELD_CHAR:
        return take_char(term, at);
    case ESI_FIELD_BOOL:
        return take_bool(term, at);
    case ESI_FIELD_FLOAT:
    case ESI_FIELD_DOUBLE:
        return take_double(term, kind, at);
    case ESI_FIELD_ATOM:
        if (!es_is_atom(term))
            return ES_EINVAL;
        memcpy(at, &term.w, sizeof term.w);
        return ES_OK;
    case ESI_FIELD_PID:
        return take_pid(term, at);
    default:
        return take_unsigned(term, kind, at);
    }
}

static es_err take_bytes(es_term term, const struct es_struct_field *field, uint8_t *at)
{
    bool is_text = field->kind == ESI_FIELD_CHAR + ESI_FIELD_ARRAY;
    es_bin bin;
    if (!es_get_bin(term, &bin))
        return ES_EINVAL;
    if (bin.size + is_text > field->size)
        return ES_ERANGE;
    if (is_text && bin.size > 0 && memchr(bin.data, '\0', bin.size) != NULL)
        return ES_EINVAL;
    if (bin.size > 0)
        memcpy(at, bin.data, bin.size);
    memset(at + bin.size, 0, field->size - bin.size);
    return ES_OK;
}

static es_err take_list(es_term term, const struct es_struct_field *field, uint8_t *at)
{
    unsigned kind = field->kind - ESI_FIELD_ARRAY;
    es_term head;
    for (size_t offset = 0; offset < field->size; offset += element_sizes[kind]) {
        es_err err;
        if (!es_get_cons(term, &head, &term))
            return es_is_nil(term) ? ES_ERANGE : ES_EINVAL;
        err = take_element(head, kind, at + offset);
        if (err != ES_OK)
            return err;
    }
    if (es_is_nil(term))
        return ES_OK;
    return es_is_list(term) ? ES_ERANGE : ES_EINVAL;
}

es_err esi_struct_from_term(const struct es_struct_descriptor *type, es_term term, void *object)
{
    es_atom name;
    es_err err = esi_struct_atom(type, &name);
    if (err != ES_OK)
        return err;
    if (es_tuple_size(term) != 1 + (size_t)type->field_count || !es_is(es_tuple_get(term, 0), name))
        return ES_EINVAL;
    memset(object, 0, type->size);
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct es_struct_field *field = &type->fields[i];
        es_term element = es_tuple_get(term, 1 + i);
        uint8_t *at = (uint8_t *)object + field->offset;
        if (is_bytes(field))
            err = take_bytes(element, field, at);
        else if (field->kind < ESI_FIELD_ARRAY)
            err = take_element(element, field->kind, at);
        else
            err = take_list(element, field, at);
        if (err != ES_OK)
            return err;
    }
    return ES_OK;
}
