/* engset/each.h - counting and walking the arguments of a macro. For the other headers of engset/.
 *
 * ESI_COUNT(...) is the number of arguments, 0 to 32; with more it is a word that stops the compiler.
 * ESI_EACH(m, c, ...) is m(c, a) m(c, b) ... An argument is never put beside ## here, or it would not be expanded. */
#ifndef ENGSET_EACH_H
#define ENGSET_EACH_H
#ifndef __cplusplus

/* Both compilers know __VA_OPT__ in all modes, but gcc says under -std=c17 -pedantic that C does not yet. */
#pragma GCC system_header

#define ESI_CAT(a, b)  ESI_CAT_(a, b)
#define ESI_CAT_(a, b) a##b

#define ESI_PICK(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, \
                 a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, a33, a34, a35, a36, a37, a38,  \
                 a39, a40, a41, a42, a43, a44, a45, a46, a47, a48, a49, a50, a51, a52, a53, a54, a55, a56,  \
                 a57, a58, a59, a60, a61, a62, a63, a64, n, ...)                                            \
    n
#define ESI_COUNT(...)                                                                                    \
    ESI_PICK(__VA_ARGS__ __VA_OPT__(, ) at_most_32_elements, at_most_32_elements, at_most_32_elements,    \
             at_most_32_elements, at_most_32_elements, at_most_32_elements, at_most_32_elements,          \
             at_most_32_elements, at_most_32_elements, at_most_32_elements, at_most_32_elements,          \
             at_most_32_elements, at_most_32_elements, at_most_32_elements, at_most_32_elements,          \
             at_most_32_elements, at_most_32_elements, at_most_32_elements, at_most_32_elements,          \
             at_most_32_elements, at_most_32_elements, at_most_32_elements, at_most_32_elements,          \
             at_most_32_elements, at_most_32_elements, at_most_32_elements, at_most_32_elements,          \
             at_most_32_elements, at_most_32_elements, at_most_32_elements, at_most_32_elements,          \
             at_most_32_elements, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, \
             14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, ~)

#define ESI_EACH(m, c, ...) ESI_CAT(ESI_EACH_, ESI_COUNT(__VA_ARGS__))(m, c __VA_OPT__(, ) __VA_ARGS__)
#define ESI_EACH_at_most_32_elements(m, c, ...)
#define ESI_EACH_0(m, c)
#define ESI_EACH_1(m, c, a)       m(c, a)
#define ESI_EACH_2(m, c, a, ...)  m(c, a) ESI_EACH_1(m, c, __VA_ARGS__)
#define ESI_EACH_3(m, c, a, ...)  m(c, a) ESI_EACH_2(m, c, __VA_ARGS__)
#define ESI_EACH_4(m, c, a, ...)  m(c, a) ESI_EACH_3(m, c, __VA_ARGS__)
#define ESI_EACH_5(m, c, a, ...)  m(c, a) ESI_EACH_4(m, c, __VA_ARGS__)
#define ESI_EACH_6(m, c, a, ...)  m(c, a) ESI_EACH_5(m, c, __VA_ARGS__)
#define ESI_EACH_7(m, c, a, ...)  m(c, a) ESI_EACH_6(m, c, __VA_ARGS__)
#define ESI_EACH_8(m, c, a, ...)  m(c, a) ESI_EACH_7(m, c, __VA_ARGS__)
#define ESI_EACH_9(m, c, a, ...)  m(c, a) ESI_EACH_8(m, c, __VA_ARGS__)
#define ESI_EACH_10(m, c, a, ...) m(c, a) ESI_EACH_9(m, c, __VA_ARGS__)
#define ESI_EACH_11(m, c, a, ...) m(c, a) ESI_EACH_10(m, c, __VA_ARGS__)
#define ESI_EACH_12(m, c, a, ...) m(c, a) ESI_EACH_11(m, c, __VA_ARGS__)
#define ESI_EACH_13(m, c, a, ...) m(c, a) ESI_EACH_12(m, c, __VA_ARGS__)
#define ESI_EACH_14(m, c, a, ...) m(c, a) ESI_EACH_13(m, c, __VA_ARGS__)
#define ESI_EACH_15(m, c, a, ...) m(c, a) ESI_EACH_14(m, c, __VA_ARGS__)
#define ESI_EACH_16(m, c, a, ...) m(c, a) ESI_EACH_15(m, c, __VA_ARGS__)
#define ESI_EACH_17(m, c, a, ...) m(c, a) ESI_EACH_16(m, c, __VA_ARGS__)
#define ESI_EACH_18(m, c, a, ...) m(c, a) ESI_EACH_17(m, c, __VA_ARGS__)
#define ESI_EACH_19(m, c, a, ...) m(c, a) ESI_EACH_18(m, c, __VA_ARGS__)
#define ESI_EACH_20(m, c, a, ...) m(c, a) ESI_EACH_19(m, c, __VA_ARGS__)
#define ESI_EACH_21(m, c, a, ...) m(c, a) ESI_EACH_20(m, c, __VA_ARGS__)
#define ESI_EACH_22(m, c, a, ...) m(c, a) ESI_EACH_21(m, c, __VA_ARGS__)
#define ESI_EACH_23(m, c, a, ...) m(c, a) ESI_EACH_22(m, c, __VA_ARGS__)
#define ESI_EACH_24(m, c, a, ...) m(c, a) ESI_EACH_23(m, c, __VA_ARGS__)
#define ESI_EACH_25(m, c, a, ...) m(c, a) ESI_EACH_24(m, c, __VA_ARGS__)
#define ESI_EACH_26(m, c, a, ...) m(c, a) ESI_EACH_25(m, c, __VA_ARGS__)
#define ESI_EACH_27(m, c, a, ...) m(c, a) ESI_EACH_26(m, c, __VA_ARGS__)
#define ESI_EACH_28(m, c, a, ...) m(c, a) ESI_EACH_27(m, c, __VA_ARGS__)
#define ESI_EACH_29(m, c, a, ...) m(c, a) ESI_EACH_28(m, c, __VA_ARGS__)
#define ESI_EACH_30(m, c, a, ...) m(c, a) ESI_EACH_29(m, c, __VA_ARGS__)
#define ESI_EACH_31(m, c, a, ...) m(c, a) ESI_EACH_30(m, c, __VA_ARGS__)
#define ESI_EACH_32(m, c, a, ...) m(c, a) ESI_EACH_31(m, c, __VA_ARGS__)

#endif
#endif
