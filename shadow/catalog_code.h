// Internal to the catalog's loading: the code that a database holds.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "shadow/code_risk.h"

namespace pgparity::shadow {

// A query whose rows are kind ('f', 'r', 'a', 'e' as CodeRisks::Piece::Kind), name, language or '',
// configuration of a function, whether it runs as its owner, whether that is another role than the
// current one, and the text. To be run under an empty search_path.
std::string CodeQuery(int server_version);
// One of its rows.
CodeRisks::Piece PieceOf(const std::array<std::string_view, 7>& row);

}  // namespace pgparity::shadow
