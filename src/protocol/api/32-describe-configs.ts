// DescribeConfigs (32): configuration values with their sources, synonyms and documentation. KIP-133, KIP-226, KIP-569.
import { api, arr, bool, i8, i16, i32, str } from '../schema.ts'

export const DescribeConfigs = api('DescribeConfigs', 32, '1-4', {
  flex: 4,
  request: {
    resources: arr({ resourceType: i8, resourceName: str, configurationKeys: arr(str).null() }),
    includeSynonyms: bool.def(false),
    includeDocumentation: bool.in('3+'),
  },
  response: {
    throttleTimeMs: i32.def(0),
    results: arr({
      errorCode: i16.def(0),
      errorMessage: str.null(),
      resourceType: i8,
      resourceName: str,
      configs: arr({
        name: str,
        value: str.null(),
        readOnly: bool,
        configSource: i8.def(-1),
        isSensitive: bool,
        synonyms: arr({ name: str, value: str.null(), source: i8 }),
        configType: i8.in('3+'),
        documentation: str.null().in('3+', ''),
      }),
    }),
  },
})
