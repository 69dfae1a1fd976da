#include "consortium/common/qr_code.hpp"
#include <memory>
#include <qrencode.h>

namespace consortium
{
namespace
{

constexpr int quiet_modules = 2; // four are in the standard; two are enough for every camera and fit 80 columns

struct code_deleter
{
    void operator()(QRcode* code) const { QRcode_free(code); }
};

} // namespace

std::string qr_code(std::string_view text)
{
    const std::string terminated(text);
    const std::unique_ptr<QRcode, code_deleter> code(
        QRcode_encodeString(terminated.c_str(), 0, QR_ECLEVEL_L, QR_MODE_8, 1));
    if (!code)
        return {};
    const int width = code->width;
    const auto dark = [&](int x, int y)
    { return x >= 0 && y >= 0 && x < width && y < width && (code->data[y * width + x] & 1) != 0; };
    std::string out;
    for (int y = -quiet_modules; y < width + quiet_modules; y += 2)
    {
        out += "\033[30;107m"; // black on bright white
        for (int x = -quiet_modules; x < width + quiet_modules; ++x)
        {
            const bool upper = dark(x, y);
            const bool lower = dark(x, y + 1);
            out += upper && lower ? "█" : upper ? "▀" : lower ? "▄" : " ";
        }
        out += "\033[0m\n";
    }
    return out;
}

} // namespace consortium
