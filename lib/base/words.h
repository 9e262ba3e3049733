/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/defs.h"

/*
 * Splits @text at blanks and tabs with '...', "..." and backslash as a shell would; nothing is
 * expanded. @ret_words (NULL at the end, perhaps no word) is the caller's, for words_free().
 * @ret_needs_shell (or NULL) tells whether a shell would do more with the text: unquoted | & ; < >
 * ( ) $ ` * ? [ # ~ = % ! { } or newline, or $ and ` in "...".
 * Returns 0, -EINVAL (a quote that is not closed, a backslash with nothing behind), or -ENOMEM.
 */
int words_split(const char *text, char ***ret_words, bool *ret_needs_shell);

void words_free(char **words);
