#!/usr/bin/env node
// A file of the sources, because npm links commands when it installs, before anything is built.
import '../dist/main.js';
