// What a report shows of user data: nothing of it by default, and none of it raw.
#pragma once

#include <string>
#include <string_view>

namespace pgparity::compare {

// Replaces string, number and bit constants in SQL text by ?, comments by nothing, and runs of
// white space by one space; keeps keywords, identifiers and parameters ($1). Where the text can be
// read in two ways (a backslash before a quote, which depends on standard_conforming_strings) or a
// quote is never closed, the rest of it goes. Linear time on any input. Source of the rules:
// PostgreSQL manual, "Lexical Structure".
std::string RedactStatement(std::string_view sql);

// "'abc'" -> "<text 3>" (characters), "12" -> "<number>"; keeps NULL, punctuation, a code behind
// the word SQLSTATE, and the words that describe a result (row, rows, column, error, DETAIL, ...).
// Any other words count as text. For values, error messages, DETAIL and HINT.
std::string RedactValues(std::string_view example);

// Control characters, those that turn the direction of text around, and invalid UTF-8 as \xNN, so
// that data cannot drive a terminal.
std::string EscapeControl(std::string_view text);

}  // namespace pgparity::compare
