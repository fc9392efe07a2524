export { errnoOf } from '../errno.ts';
