// SASLprep (RFC 4013) of passwords, as far as it leaves them as they are.
#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace pgparity::protocol {

// OK: the bytes of `password` are what PostgreSQL's pg_saslprep makes of it. So it is for ASCII,
// for what is not UTF-8 (the server takes it as it is), and for any text that NFKC does not change
// and that holds none of the characters that SASLprep maps to a space or to nothing: whether such a
// text is then prohibited makes no difference, since PostgreSQL takes a prohibited one as it is.
// Unimplemented: it holds a character that may change (a combining mark, a ligature, a full-width
// letter, a no-break space, ...). The error does not quote it.
absl::Status CheckSaslPrepared(std::string_view password);

}  // namespace pgparity::protocol
