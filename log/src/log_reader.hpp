#pragma once
#include "recovery.hpp"

namespace consortium::log
{

class rocks_log_reader final : public log_reader
{
public:
    explicit rocks_log_reader(opened_directory opened);

    std::unique_ptr<snapshot> read() const override;
    log_id id() const override { return opened_.head.id; }
    note::verifier checkpoint_key() const override { return opened_.with->verifier(); }
    result<report> verify(std::size_t threads) const override;
    result<file_report> verify_files() const override;

    const row_codec& rows() const noexcept { return opened_.with->rows; }

private:
    opened_directory opened_;
    std::shared_ptr<const pinned_store> at_;
};

} // namespace consortium::log
