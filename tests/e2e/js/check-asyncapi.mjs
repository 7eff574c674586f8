// Checks the AsyncAPI document on the standard input against AsyncAPI's own schema, and prints what is wrong with it.
import { text } from 'node:stream/consumers';
import specs from '@asyncapi/specs';
import Ajv from 'ajv';

const document = JSON.parse(await text(process.stdin));
// The schema brings JSON Schema's own with it. Formats are left out: they say how a text looks, not how a document is made.
const ajv = new Ajv({ meta: false, strict: false, validateFormats: false });
const validate = ajv.compile(specs.schemas[document.asyncapi]);
if (!validate(document)) {
  console.log(ajv.errorsText(validate.errors));
}
