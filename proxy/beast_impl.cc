// The separately compiled half of Boost.Beast.
#include <boost/beast/src.hpp>
