// DescribeLogDirs (35): log directories, their space and the size of their partitions. KIP-113, KIP-827, KIP-1066 (cordoned, 5).
import { api, arr, bool, i16, i32, i64, str } from '../schema.ts'

export const DescribeLogDirs = api('DescribeLogDirs', 35, '1-5', {
  flex: 2,
  request: { topics: arr({ topic: str, partitions: arr(i32) }).null() },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.in('3+'),
    results: arr({
      errorCode: i16.def(0),
      logDir: str,
      topics: arr({
        name: str,
        partitions: arr({ partitionIndex: i32, partitionSize: i64, offsetLag: i64, isFutureKey: bool }),
      }),
      totalBytes: i64.in('4+', -1),
      usableBytes: i64.in('4+', -1),
      isCordoned: bool.in('5+'),
    }),
  },
})
