import tseslint from 'typescript-eslint';

/** The house rules of CONTRIBUTING.md as far as a linter can see them; test/architecture asserts the rest. */
const SIZE = {
  'max-lines': ['error', { max: 300 }],
  'max-lines-per-function': ['error', { max: 50, skipBlankLines: true, skipComments: true }],
  'max-params': 'off',
  '@typescript-eslint/max-params': ['error', { max: 3 }],
};

const STRICT = {
  '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
  '@typescript-eslint/explicit-module-boundary-types': 'error',
  '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
  // Sizes, counts and codes in messages are numbers.
  '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
  // tsconfig's noUncheckedIndexedAccess makes a checked `!` the way to say "the line above proved it".
  '@typescript-eslint/no-non-null-assertion': 'off',
  '@typescript-eslint/no-confusing-void-expression': 'off',
  '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
  '@typescript-eslint/require-await': 'off',
  'no-empty': 'error',
  'no-var': 'error',
  'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx', 'hack'] }],
  'prefer-const': 'error',
  eqeqeq: 'error',
};

const PRODUCT = {
  'no-console': 'error',
  'no-restricted-properties': [
    'error',
    { object: 'process', property: 'exit', message: 'Set process.exitCode or throw: exit cuts off output and clean-up.' },
  ],
};

export default tseslint.config(
  { ignores: ['dist/', 'build/', 'coverage/', 'node_modules/', 'test/fixtures/', 'assembly/'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: { ...SIZE, ...STRICT },
  },
  {
    files: ['**/*.js'],
    extends: [tseslint.configs.base],
    rules: { ...SIZE, 'no-empty': 'error', eqeqeq: 'error', 'prefer-const': 'error' },
  },
  { files: ['src/**/*.ts', 'bin/*.js', 'demo/**/*.ts'], rules: PRODUCT },
  {
    files: ['test/**/*.ts'],
    // A describe block is a list of cases, not a function to read.
    rules: {
      'max-lines-per-function': ['error', { max: 150, skipBlankLines: true, skipComments: true }],
      // A row of it.each comes as arguments.
      '@typescript-eslint/max-params': ['error', { max: 5 }],
      // `result.json<Document>()` names what a document is read as.
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
    },
  },
);
