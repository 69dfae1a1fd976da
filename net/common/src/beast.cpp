// Beast, compiled once (BOOST_BEAST_SEPARATE_COMPILATION). Without its assertions: that of Beast 1.81 in
// parse_chunk_header would let a peer end this process by sending the last chunk in pieces ("0\r\n", then a byte).
// Unasserted it asks for more, as it should.
#define BOOST_DISABLE_ASSERTS
#include <boost/assert.hpp>
#include <boost/beast/src.hpp>
