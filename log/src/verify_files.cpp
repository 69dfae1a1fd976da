#include "rocks_store.hpp"
#include "verify.hpp"
#include <rocksdb/sst_file_reader.h>

namespace consortium::log
{

log_reader::file_report verify_files(const rocks_store& store)
{
    log_reader::file_report out;
    std::vector<rocksdb::LiveFileMetaData> files;
    store.db().GetLiveFilesMetaData(&files);
    for (const auto& table : *store.views())
        if (table->broken())
            out.findings.push_back(
                {.number = {}, .what = "view table '" + table->name() + "': " + table->damage().detail});
    for (const auto& file : files)
    {
        ++out.files;
        out.bytes += file.size;
        rocksdb::SstFileReader reader(store.db().GetOptions());
        auto status = reader.Open(file.db_path + file.name);
        if (status.ok())
            status = reader.VerifyChecksum();
        if (!status.ok())
            out.findings.push_back(
                {.number = {},
                 .what = "file db" + file.name + ", of column family '" + file.column_family_name +
                         "': " + status.ToString()});
    }
    return out;
}

} // namespace consortium::log
