#include "report.hpp"
#include <gtest/gtest.h>

using namespace consortium::admin;
using namespace std::chrono_literals;

TEST(report, groups_the_digits_of_numbers)
{
    EXPECT_EQ(number_text(0), "0");
    EXPECT_EQ(number_text(999), "999");
    EXPECT_EQ(number_text(1000), "1,000");
    EXPECT_EQ(number_text(1234567), "1,234,567");
    EXPECT_EQ(count_text(1, "record"), "1 record");
    EXPECT_EQ(count_text(2, "record"), "2 records");
}

TEST(report, gives_sizes_and_times_a_unit)
{
    EXPECT_EQ(size_text(1), "1 byte");
    EXPECT_EQ(size_text(1023), "1,023 bytes");
    EXPECT_EQ(size_text(1536), "1.5 KiB");
    EXPECT_EQ(size_text(3ull << 40), "3.0 TiB");
    EXPECT_EQ(time_text(8ms), "8 ms");
    EXPECT_EQ(time_text(1800ms), "1.8 s");
    EXPECT_EQ(time_text(250s), "4 min 10 s");
}
