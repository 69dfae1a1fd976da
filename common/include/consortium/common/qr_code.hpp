#pragma once
#include <string>
#include <string_view>

namespace consortium
{

/// The text as a QR code in Unicode half blocks, dark on light whatever the terminal's colours, a line each two rows.
/// Empty when it does not fit into a code.
std::string qr_code(std::string_view text);

} // namespace consortium
