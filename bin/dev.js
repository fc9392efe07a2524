#!/usr/bin/env node
// For work on clipctl itself: builds dist/ from src/, then runs it.
import { bundle } from '../scripts/bundle.js';

await bundle();
await import('./run.js');
