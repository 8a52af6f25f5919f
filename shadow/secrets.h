// What in a statement is secret, by its tokens alone. See also WithoutSecret in analysis.h.
#pragma once

#include <string_view>

namespace pgparity::shadow {

// Do the statement's literals carry a password or a connection string: CREATE/ALTER ROLE, USER
// MAPPING, SERVER, SUBSCRIPTION, ALTER SYSTEM, dblink, and code (DO, CREATE FUNCTION) that holds
// one of these?
bool TokensHoldSecret(std::string_view statement);

}  // namespace pgparity::shadow
